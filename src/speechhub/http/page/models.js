// What the server's models are doing, and buttons to load and unload them for those who may.
import { $, guarded, make, note } from "./elements.js";
import { modelNamed } from "./catalog.js";
import { askJson, post } from "./server.js";

const BUSY_MS = 2000; // while something goes on
const CALM_MS = 10000;
const STATES = {
  unloaded: "not loaded",
  fetching: "fetching its files …",
  loading: "loading …",
  ready: "loaded",
  draining: "finishes its work …",
  stopping: "unloading …",
  verifying: "unloading …",
};
const TASKS = { stt: "speech to text", tts: "text to speech" };

let operates = false; // whether the key may load and unload
let timer = null;
const rows = new Map(); // id → { item, state, button }
const asked = new Map(); // id → "load" or "unload", while it is being done

// Says whether the caller is let in, by what the server tells it.
export async function readHealth() {
  const health = await askJson("health");
  return health.version ? health : null;
}

// Begins to show the models, and goes on as long as the page is looked at.
export function watchModels(health) {
  operates = health.operator;
  rows.clear();
  $("model-list").replaceChildren();
  show(health);
  const broken = health.broken_plugins.map((it) => `The plugin ${it.plugin} cannot be used: ${it.error}`);
  if (broken.length) note("models-note", broken.join(" "), true);
}

async function refresh() {
  clearTimeout(timer);
  try {
    const health = await readHealth();
    if (health) show(health);
    else document.dispatchEvent(new Event("key-wanted"));
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
  note("status", headline(health), health.status !== "ok");
  for (const model of models) showModel(model, devices.some((it) => it.standby === model.id));
  $("gpu-list").hidden = !gpus.length;
  $("gpu-list").replaceChildren(...gpus.map(gpuShown));
  const moving = models.some((it) => it.busy || it.waiting || !["unloaded", "ready"].includes(it.state));
  plan(moving || asked.size ? BUSY_MS : CALM_MS);
}

function headline({ status, stalled, models }) {
  if (status !== "ok") return `Nothing moves for ${stalled.join(", ")}; the server's log says why.`;
  const loaded = models.filter((it) => it.state === "ready").map((it) => it.id);
  const waiting = models.reduce((sum, it) => sum + it.waiting, 0);
  const parts = ["ok", loaded.length ? `${loaded.join(", ")} loaded` : "no model loaded; the first request loads its own"];
  if (waiting) parts.push(`${waiting} waiting`);
  return parts.join(" · ");
}

// Rows are changed and never made anew, so that the focus stays where it is.
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
  const parts = [standsBy && model.state === "unloaded" ? "stands by" : STATES[model.state] ?? model.state];
  if (model.busy) parts.push("working");
  if (model.waiting) parts.push(`${model.waiting} waiting, ${Math.ceil(model.oldest_wait_s)} s so far`);
  if (model.pinned) parts.push("pinned");
  const held = model.allocated_bytes ? `, ${gigabytes(model.allocated_bytes)} GB` : "";
  parts.push(`on ${model.device}${held}`);
  if (model.failing) {
    const again = model.failing.retry_in_s ? `in ${Math.ceil(model.failing.retry_in_s)} s` : "with the next request";
    parts.push(`could not be loaded: ${model.failing.error} It is tried again ${again}.`);
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
    const answer = post(`v1/engines/${what}`, { model: id });
    setTimeout(refresh, 100); // shows that it is on its way
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

// What the page does may load a model: then it is looked at again.
for (const id of ["speak", "listen"]) $(id).addEventListener("submit", () => plan(300));
document.addEventListener("visibilitychange", () => { if (!document.hidden && !$("tools").hidden) refresh(); });
