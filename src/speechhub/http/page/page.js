// The page at the root: tries the API from a browser. It uses nothing that another client could not use.
const $ = (id) => document.getElementById(id);
const base = new URL("v1", location.href).href;
const EMOTIONS = ["happy", "angry", "sad", "afraid", "disgusted", "melancholic", "surprised", "calm"];
let key = sessionStorage.getItem("key") ?? "";
let models = [];
let recording = null; // what was recorded here: File or null
let links = { speech: null, transcript: null };

// Asks the server; an answer that is not OK becomes an Error with the server's own message.
async function ask(path, options = {}) {
  const headers = { ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
  const answer = await fetch(path, { ...options, headers });
  if (answer.ok) return answer;
  if (answer.status === 401) $("key-form").hidden = false;
  const body = await answer.json().catch(() => null);
  throw new Error(body?.error?.message ?? `The server answered ${answer.status}.`);
}

function note(id, text, bad = false) {
  $(id).textContent = text;
  $(id).classList.toggle("bad", bad);
}

function choose(id, options, chosen) {
  $(id).replaceChildren(...options.map(([value, label]) => new Option(label, value, false, value === chosen)));
}

const model = (id) => models.find((it) => it.id === $(id).value);
const seconds = (ms) => `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s`;
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

async function showHealth() {
  if (document.hidden) return;
  try {
    const health = await (await ask("health")).json();
    const parts = [health.status];
    for (const device of health.devices ?? []) parts.push(`${device.name}: ${device.ready_models.join(", ") || "no model loaded"}`);
    for (const gpu of health.gpus ?? []) {
      if (gpu.total_bytes) parts.push(`${gpu.name} ${(gpu.used_bytes / 1e9).toFixed(1)} of ${(gpu.total_bytes / 1e9).toFixed(1)} GB`);
    }
    const waiting = (health.models ?? []).reduce((sum, it) => sum + it.waiting, 0);
    if (waiting) parts.push(`${waiting} waiting`);
    note("status", parts.join(" · "), health.status !== "ok");
  } catch (error) {
    note("status", navigator.onLine ? `The server does not answer: ${error.message}` : "offline", true);
  }
}

async function showModels() {
  models = (await (await ask("v1/models")).json()).data;
  $("key-form").hidden = true;
  const preferred = (alias) => models.find((it) => it.id === alias)?.alias_of;
  for (const [id, task, alias] of [["tts-model", "tts", "tts-1"], ["stt-model", "stt", "whisper-1"]]) {
    const own = models.filter((it) => it.task === task && !it.alias_of);
    choose(id, own.map((it) => [it.id, it.id]), preferred(alias));
  }
  $("speak").querySelector("button").disabled = !model("tts-model");
  $("listen").querySelectorAll("button")[1].disabled = !model("stt-model");
  showLanguages();
  await showVoices();
}

function languages(id) {
  const names = new Intl.DisplayNames(["en"], { type: "language" });
  const known = (model(id)?.languages ?? []).map((code) => [code, names.of(code)]);
  return known.sort((a, b) => a[1].localeCompare(b[1]));
}

function showLanguages() {
  const known = languages("stt-model");
  const finds = model("stt-model")?.capabilities.language_detection;
  choose("language", [...(finds || !known.length ? [["", "find out"]] : []), ...known], $("language").value);
}

// Shows what the chosen model can be told besides the text.
function showAbilities(chosen) {
  const able = chosen.capabilities;
  $("instructions-row").hidden = !able.instructions && !able.emotions.includes("text");
  $("clip-row").hidden = !able.cloning;
  $("emotion-row").hidden = !able.emotions.includes("vector");
  $("speech-language-row").hidden = chosen.languages.length < 2;
  choose("speech-language", [["", "as the text"], ...languages("tts-model")], $("speech-language").value);
  choose("emotion", [["", "the voice's own"], ...EMOTIONS.map((it) => [it, it])], $("emotion").value);
}

async function showVoices() {
  const chosen = model("tts-model");
  if (!chosen) return;
  showAbilities(chosen);
  const { voices, data } = await (await ask(`v1/audio/voices?model=${encodeURIComponent(chosen.id)}`)).json();
  const own = voices.map((it) => [it.id, it.name]);
  const custom = chosen.capabilities.cloning ? data.map((it) => [it.id, `${it.name} (custom)`]) : [];
  choose("voice", [...own, ...custom], $("voice").value);
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.replace(/^data:[^;,]*(;[^,]*)?;base64,/, "data:;base64,"));
    reader.onerror = () => reject(new Error("The recording cannot be read."));
    reader.readAsDataURL(file);
  });
}

// What the form asks for; a field of a row that is hidden does not count.
function speech(clip = null) {
  const wanted = { model: $("tts-model").value, input: $("text").value, response_format: "mp3" };
  const said = (id) => !$(`${id}-row`).hidden && $(id).value;
  if (clip || $("voice").value) wanted.voice = clip ?? $("voice").value;
  if (Number($("speed").value) !== 1) wanted.speed = Number($("speed").value);
  if (said("speech-language")) wanted.language = $("speech-language").value;
  if (said("emotion")) wanted.emotion = { vector: { [$("emotion").value]: 0.6 } };
  if (said("instructions")) wanted.instructions = $("instructions").value;
  return wanted;
}

const clipFile = () => ($("clip-row").hidden ? undefined : $("clip").files[0]);

function link(which, id, blob, name) {
  if (links[which]) URL.revokeObjectURL(links[which]);
  links[which] = URL.createObjectURL(blob);
  $(id).href = links[which];
  $(id).download = name;
  $(id).parentElement.hidden = false;
  return links[which];
}

async function speak() {
  note("speak-note", "speaking; a model that is not loaded takes a few seconds more …");
  const clip = clipFile() ? await dataUrl(clipFile()) : null;
  const began = performance.now();
  const answer = await ask("v1/audio/speech", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(speech(clip)),
  });
  const chunks = [];
  let first = null;
  for (const reader = answer.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    first ??= performance.now() - began;
    chunks.push(value);
  }
  const took = performance.now() - began;
  $("player").src = link("speech", "save-speech", new Blob(chunks, { type: "audio/mpeg" }), "speech.mp3");
  $("player").hidden = false;
  note("speak-note", `first audio after ${seconds(first)}, all of it after ${seconds(took)}`);
  $("player").play().catch(() => {}); // a browser that wants another click says so with its controls
}

function transcription() {
  const file = recording ?? $("file").files[0];
  if (!file) throw new Error("Choose a recording first, drop one here, or record one.");
  const form = new FormData();
  form.append("model", $("stt-model").value);
  if ($("language").value) form.append("language", $("language").value);
  const live = $("format").value === "text";
  form.append("response_format", live ? "json" : $("format").value);
  if (live) form.append("stream", "true");
  form.append("file", file);
  return { form, live };
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const data = part.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim()).join("\n");
      if (data && data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

async function transcribe() {
  const { form, live } = transcription();
  note("listen-note", "listening …");
  const shown = $("transcript");
  shown.textContent = "";
  shown.hidden = false;
  const began = performance.now();
  const answer = await ask("v1/audio/transcriptions", { method: "POST", body: form });
  if (live) {
    for await (const event of events(answer.body)) {
      if (event.error) throw new Error(event.error.message);
      if (event.type === "transcript.text.delta") shown.textContent += event.delta;
      if (event.type === "transcript.text.done") shown.textContent = event.text;
    }
  } else if ($("format").value === "verbose_json") {
    shown.textContent = JSON.stringify(await answer.json(), null, 2);
  } else {
    shown.textContent = (await answer.text()).trimEnd();
  }
  const ending = { text: "txt", verbose_json: "json" }[$("format").value] ?? $("format").value;
  link("transcript", "save-transcript", new Blob([shown.textContent], { type: "text/plain" }), `transcript.${ending}`);
  note("listen-note", shown.textContent ? `took ${seconds(performance.now() - began)}` : "Nobody speaks in this recording.");
}

async function record() {
  if (!navigator.mediaDevices) throw new Error("Browsers record only on https:// pages and on localhost.");
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const recorder = new MediaRecorder(stream);
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  recorder.onstop = () => {
    stream.getTracks().forEach((track) => track.stop());
    const type = recorder.mimeType.split(";")[0] || "audio/webm";
    recording = new File(parts, `recording.${type.split("/")[1]}`, { type });
    $("file").value = "";
    $("record").textContent = "Record again";
    $("record").classList.remove("on");
    $("record").onclick = guarded("listen-note", record);
    $("listen").requestSubmit();
  };
  recorder.start();
  note("listen-note", "recording …");
  $("record").textContent = "Stop";
  $("record").classList.add("on");
  $("record").onclick = () => recorder.stop();
}

// Runs an action: its error becomes a note, and its button rests meanwhile.
function guarded(noteId, action) {
  return async (event) => {
    event?.preventDefault();
    const button = event?.submitter;
    if (button) button.disabled = true;
    try {
      await action();
    } catch (error) {
      note(noteId, error.message, true);
    } finally {
      if (button) button.disabled = false;
      showHealth();
    }
  };
}

const keyLine = () => (key ? ` \\\n  -H "Authorization: Bearer $OPENAI_API_KEY"` : "");

async function copySpeech() {
  const text = `curl ${base}/audio/speech${keyLine()} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quoted(JSON.stringify(speech(clipFile() && "data:;base64,…")))} \\\n  -o speech.mp3`;
  await navigator.clipboard.writeText(text);
  note("speak-note", "copied");
}

async function copyTranscription() {
  const language = $("language").value ? ` -F language=${$("language").value}` : "";
  const name = recording?.name ?? $("file").files[0]?.name ?? "recording.mp3";
  const text = `curl ${base}/audio/transcriptions${keyLine()} \\\n  -F model=${$("stt-model").value}${language} -F response_format=${$("format").value} \\\n  -F ${quoted(`file=@${name}`)}`;
  await navigator.clipboard.writeText(text);
  note("listen-note", "copied");
}

$("base-url").textContent = base;
$("speak").onsubmit = guarded("speak-note", speak);
$("listen").onsubmit = guarded("listen-note", transcribe);
$("record").onclick = guarded("listen-note", record);
$("speak-curl").onclick = guarded("speak-note", copySpeech);
$("listen-curl").onclick = guarded("listen-note", copyTranscription);
$("speed").oninput = () => { $("speed-shown").textContent = $("speed").value; };
$("tts-model").onchange = guarded("speak-note", showVoices);
$("stt-model").onchange = showLanguages;
$("file").onchange = () => { recording = null; note("listen-note", ""); };
$("listen").ondragover = (event) => { event.preventDefault(); $("listen").classList.add("over"); };
$("listen").ondragleave = () => $("listen").classList.remove("over");
$("listen").ondrop = (event) => {
  event.preventDefault();
  $("listen").classList.remove("over");
  if (event.dataTransfer.files.length) { $("file").files = event.dataTransfer.files; recording = null; }
};
$("key-form").onsubmit = guarded("key-note", async () => {
  key = $("key").value.trim();
  sessionStorage.setItem("key", key);
  await showModels();
});
document.onvisibilitychange = showHealth;

showHealth();
setInterval(showHealth, 3000);
guarded("key-note", showModels)();
