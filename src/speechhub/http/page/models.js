// The state of the server's models, with buttons to load and unload them if the key is an operator's.
import { $, guarded, make, note } from "./elements.js";
import { modelNamed } from "./catalog.js";
import { isWatched, ofReplica, onReplicaChosen, showReplicas, watchedHealth } from "./replicas.js";
import { post } from "./server.js";

const BUSY_MS = 2000; // between two refreshes while a model works or changes its state
const CALM_MS = 10000; // otherwise
const STATES = {
  unloaded: "not loaded",
  fetching: "fetching its files …",
  loading: "loading …",
  ready: "loaded",
  draining: "finishing its work …",
  stopping: "unloading …",
  verifying: "unloading …",
};
const TASKS = { stt: "speech to text", tts: "text to speech" };

let operates = false; // whether the key may load and unload
let timer = null;
let shown; // name of the server whose models are shown; null for one that is alone
const rows = new Map(); // id → { item, state, button }
const asked = new Map(); // id → "load" or "unload", while it is being done

// Returns the server's health, or null if the server does not let the caller in: then it tells less.
export async function readHealth() {
  const health = await watchedHealth();
  return health.version ? health : null;
}

// Shows the models, and keeps them up to date while the page is visible.
export function watchModels(health) {
  operates = health.operator;
  shown = undefined;
  show(health);
  const broken = health.broken_plugins.map((broken) => `The plugin ${broken.plugin} cannot be used: ${broken.error}`);
  if (broken.length) note("models-note", broken.join(" "), true);
}

async function refresh() {
  clearTimeout(timer);
  try {
    const health = await readHealth();
    if (!health) document.dispatchEvent(new Event("key-wanted"));
    else if (isWatched(health)) show(health);
  } catch (error) {
    note("status", navigator.onLine ? error.message : "This machine is offline.", true);
    plan(BUSY_MS);
  }
}

function plan(ms) {
  clearTimeout(timer);
  timer = document.hidden ? null : setTimeout(refresh, ms);
}

export const stopWatching = () => clearTimeout(timer);

function show(health) {
  const { models, gpus, devices } = health;
  if (health.replica !== shown) {
    shown = health.replica;
    rows.clear();
    asked.clear();
    $("model-list").replaceChildren();
  }
  showReplicas(health);
  note("status", headline(health), health.status !== "ok");
  for (const model of models) showModel(model, devices.some((device) => device.standby === model.id));
  $("gpu-list").hidden = !gpus.length;
  $("gpu-list").replaceChildren(...gpus.map(gpuShown));
  const moving = models.some((model) => model.busy || model.waiting || !["unloaded", "ready"].includes(model.state));
  plan(moving || asked.size ? BUSY_MS : CALM_MS);
}

function headline({ status, stalled, models }) {
  if (status !== "ok") return `No progress: ${stalled.join(", ")}; the server's log gives the reason.`;
  const loaded = models.filter((model) => model.state === "ready").map((model) => model.id);
  const waiting = models.reduce((sum, model) => sum + model.waiting, 0);
  const parts = ["ok", loaded.length ? `${loaded.join(", ")} loaded` : "no model loaded; the first request loads the model that it needs"];
  if (waiting) parts.push(`${waiting} waiting`);
  return parts.join(" · ");
}

// Rows are updated in place, never recreated, so that the keyboard focus stays where it is.
function showModel(model, standsBy) {
  const row = rows.get(model.id) ?? addRow(model);
  row.state.textContent = stateOf(model, standsBy);
  row.state.classList.toggle("bad", Boolean(model.failing));
  row.item.dataset.state = model.state;
  if (!row.button) return;
  const doing = asked.get(model.id);
  row.what = model.state === "unloaded" ? "load" : "unload";
  row.button.textContent = doing ? `${doing}ing …` : row.what === "load" ? "Load" : "Unload";
  row.button.disabled = Boolean(doing);
  row.button.ariaLabel = `${row.button.textContent} ${model.id}`;
}

function stateOf(model, standsBy) {
  const parts = [standsBy && model.state === "unloaded" ? "on standby" : STATES[model.state] ?? model.state];
  if (model.busy) parts.push("working");
  if (model.waiting) parts.push(`${model.waiting} waiting, ${Math.ceil(model.oldest_wait_s)} s so far`);
  if (model.pinned) parts.push("pinned");
  const held = model.allocated_bytes ? `, ${gigabytes(model.allocated_bytes)} GB` : "";
  parts.push(`on ${model.device}${held}`);
  if (model.failing) {
    const again = model.failing.retry_in_s ? `in ${Math.ceil(model.failing.retry_in_s)} s` : "with the next request";
    parts.push(`could not be loaded: ${model.failing.error} The server tries again ${again}.`);
  }
  return parts.join(" · ");
}

function addRow(model) {
  const state = make("span", { className: "state" });
  const task = make("span", { className: "task" }, TASKS[modelNamed(model.id)?.task] ?? "");
  const item = make("li", {}, make("span", { className: "name" }, model.id), task, state);
  const row = { item, state, button: null };
  if (operates) {
    row.button = make("button", { type: "button", className: "plain" });
    row.button.onclick = guarded("models-note", () => operate(row, model.id));
    item.append(row.button);
  }
  rows.set(model.id, row);
  $("model-list").append(item);
  return row;
}

async function operate(row, id) {
  const { what } = row;
  asked.set(id, what);
  note("models-note", `${what}ing ${id} …`);
  try {
    const answer = post(ofReplica(`v1/engines/${what}`), { model: id });
    setTimeout(refresh, 100); // shows that the change is under way
    await answer;
    note("models-note", `${id} is ${what}ed`);
  } finally {
    asked.delete(id);
    refresh();
  }
}

function gpuShown(gpu) {
  const name = make("span", { className: "name" }, gpu.name);
  if (gpu.used_bytes === null || !gpu.total_bytes) return make("li", {}, name, "its driver does not answer");
  const meter = make("meter", { max: gpu.total_bytes, high: gpu.total_bytes * 0.9, value: gpu.used_bytes });
  meter.ariaLabel = `Memory of ${gpu.name}`;
  return make("li", {}, name, meter, `${gigabytes(gpu.used_bytes)} of ${gigabytes(gpu.total_bytes)} GB`);
}

const gigabytes = (bytes) => (bytes / 1e9).toFixed(1);

onReplicaChosen(refresh);

// A submitted form may load a model: refresh soon after it.
for (const id of ["speak", "listen", "captions"]) $(id).addEventListener("submit", () => plan(300));
document.addEventListener("visibilitychange", () => { if (!document.hidden && !$("tools").hidden) refresh(); });
