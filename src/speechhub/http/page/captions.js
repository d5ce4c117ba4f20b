// Live captions: what is said into the microphone appears as text, one line for each utterance.
import { modelNamed, offerLanguages, offerModels } from "./catalog.js";
import { $, guarded, make, note, offer } from "./elements.js";
import { Microphone } from "./microphone.js";
import { openSession } from "./realtime.js";
import { isAbort } from "./server.js";
import { cuesOf, srtOf, vttOf } from "./subtitles.js";
import { clock } from "./transcript.js";
import { copy } from "./viewer.js";

const TRANSCRIPTION = "conversation.item.input_audio_transcription.";
const NEAR = 8; // pixels from the end at which the list follows new captions
const READ = 5; // captions that wait to be read by a screen reader

let abort = null; // its abort() ends the captions in progress at once
let session = null;
let microphone = null;
let lines = new Map(); // item id → { start, end, text, final, item, shown }, in the order in which they were said
let beganAt = null; // when the first of the sessions began; times of captions count from there
let offsetS = 0; // seconds from there to the beginning of this session

export function showCaptions() {
  const any = offerModels("captions-model", "stt", "whisper-1");
  $("captions-button").disabled = !any;
  if (any) showLanguages();
  else note("captions-note", "No speech-to-text engine is installed on this server; run ‘speechhub engines’ there to see what is.");
}

const showLanguages = () => offerLanguages("captions-language", modelNamed($("captions-model").value));

// The session's settings, as the server's /v1/realtime takes them.
function settings() {
  const transcription = { model: $("captions-model").value };
  if ($("captions-language").value) transcription.language = $("captions-language").value;
  const format = { type: "audio/pcm", rate: microphone.rate };
  return { type: "transcription", audio: { input: { format, transcription, turn_detection: { type: "server_vad" } } } };
}

async function run() {
  abort = new AbortController();
  const { signal } = abort;
  show(true);
  note("captions-note", "waiting for the microphone …");
  try {
    microphone = await Microphone.open();
    signal.throwIfAborted();
    note("captions-note", "connecting …");
    session = await openSession(settings(), heard, signal);
    await microphone.start(({ bytes, peak }) => {
      session?.append(bytes);
      $("captions-level").value = Math.sqrt(peak); // quiet speech shows, too
    }, (error) => session?.end(error));
    beganAt ??= performance.now();
    offsetS = (performance.now() - beganAt) / 1000;
    note("captions-note", "listening: speak, and the captions appear");
    await session.ended;
    note("captions-note", lines.size ? "stopped" : "stopped; no speech was heard");
  } catch (error) {
    if (!isAbort(error)) throw error;
    note("captions-note", "stopped");
  } finally {
    microphone?.close();
    session?.end();
    abort = session = microphone = null;
    settle();
    show(false);
  }
}

// The first press starts; the second one waits for the last captions, and the third one does not.
function press() {
  if (!abort) return run();
  if (!session || session.isFinishing) return abort.abort();
  microphone.close();
  $("captions-level").value = 0;
  note("captions-note", "finishing the last caption …");
  return session.finish();
}

export const stopCaptions = () => abort?.abort();

function show(on) {
  $("captions-button").textContent = on ? "Stop the microphone" : "Start the microphone";
  $("captions-button").classList.toggle("on", on);
  if (!on) $("captions-level").value = 0;
}

function heard(event) {
  const seconds = (ms) => offsetS + ms / 1000;
  switch (event.type) {
    case "input_audio_buffer.speech_started":
      write(event.item_id, { start: seconds(event.audio_start_ms) });
      break;
    case "input_audio_buffer.speech_stopped":
      write(event.item_id, { end: seconds(event.audio_end_ms) });
      break;
    case `${TRANSCRIPTION}delta`:
      write(event.item_id, { text: (lines.get(event.item_id)?.text ?? "") + event.delta });
      break;
    case `${TRANSCRIPTION}completed`:
      if (event.transcript.trim()) finish(event.item_id, event.transcript.trim());
      else drop(event.item_id);
      break;
    case `${TRANSCRIPTION}failed`:
      finish(event.item_id, event.error.message, true);
      break;
  }
}

// Changes a line, or adds it. An utterance that the Stop button cut off has no end of its own, or not even a beginning.
function write(id, changes) {
  const list = $("captions-lines");
  const follows = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR; // otherwise the user reads further up
  const line = lines.get(id) ?? add(id, changes.start ?? nowS());
  Object.assign(line, changes);
  line.shown.textContent = line.text || "…";
  if (follows) list.scrollTop = list.scrollHeight;
  return line;
}

function add(id, start) {
  const shown = make("p");
  const item = make("li", { className: "partial" }, make("span", { className: "time" }, clock(start)), shown);
  const line = { start, end: null, text: "", item, shown, final: false };
  lines.set(id, line);
  $("captions-lines").append(item);
  showTools();
  return line;
}

function finish(id, text, failed = false) {
  const line = write(id, { text });
  line.end ??= nowS();
  line.final = !failed;
  line.item.classList.remove("partial");
  line.item.classList.toggle("bad", failed);
  $("captions-said").append(make("p", {}, text)); // read once, when it is final
  showTools();
  while ($("captions-said").children.length > READ) $("captions-said").firstChild.remove();
  offerFiles();
}

function drop(id) {
  lines.get(id)?.item.remove();
  lines.delete(id);
  showTools();
}

// Keeps what was shown when a session ended before its last captions were final.
function settle() {
  for (const [id, line] of lines) {
    if (!line.item.classList.contains("partial")) continue;
    if (line.text) finish(id, line.text);
    else drop(id);
  }
}

const nowS = () => (performance.now() - (beganAt ?? performance.now())) / 1000;
const said = () => [...lines.values()].filter((line) => line.final);
const plain = () => said().map((line) => line.text).join("\n");

function showTools() {
  $("captions-lines").hidden = $("captions-clear").hidden = !lines.size;
  $("captions-copy").hidden = $("captions-links").hidden = !said().length;
}

function offerFiles() {
  const cues = cuesOf(said().map(({ start, end, text }) => ({ start, end, text, parts: [{ text }] })));
  const files = { txt: `${plain()}\n`, srt: srtOf(cues), vtt: vttOf(cues) };
  for (const [ending, text] of Object.entries(files)) {
    offer(`captions-${ending}`, "href", new Blob([text], { type: "text/plain" }));
  }
}

function clear() {
  lines = new Map();
  if (!abort) beganAt = null;
  $("captions-lines").replaceChildren();
  $("captions-said").replaceChildren();
  showTools();
  $("captions-button").focus();
}

$("captions").onsubmit = guarded("captions-note", press);
$("captions-copy").onclick = () => copy(plain(), "captions-note");
$("captions-clear").onclick = clear;
$("captions-model").onchange = () => { showLanguages(); session?.update(settings()); };
$("captions-language").onchange = () => session?.update(settings());
