// The transcription form: its request, and the transcript that comes back.
import { $, guarded, note, offer, seconds } from "./elements.js";
import { modelNamed, offerLanguages, offerModels } from "./catalog.js";
import { onRecording, recording } from "./recording.js";
import { ask, events, isAbort, Refusal } from "./server.js";
import { cuesOf, srtOf, vttOf } from "./subtitles.js";
import { clearTranscript, partsOf, showTranscript } from "./transcript.js";

const BROKEN_OFF = "The transcript stopped before its end. Try again; the server's log gives the reason.";
const SILENT = "No speech was found in this recording.";

let request = null; // its abort() stops the transcription in progress

const model = () => modelNamed($("stt-model").value);
const hasTimes = () => $("format").value === "times" && model().capabilities.segment_timestamps;

export function showListening() {
  const any = offerModels("stt-model", "stt", "whisper-1");
  $("listen-button").disabled = !any;
  if (any) showLanguages();
  else note("listen-note", "No speech-to-text engine is installed on this server; run ‘speechhub engines’ there to see what is.");
}

const showLanguages = () => offerLanguages("language", model());

// The request's fields, as pairs of name and value.
export function transcriptionWanted(words = model().capabilities.word_timestamps) {
  const fields = [["model", $("stt-model").value]];
  if ($("language").value) fields.push(["language", $("language").value]);
  if (hasTimes()) {
    fields.push(["response_format", "verbose_json"], ["timestamp_granularities[]", "segment"]);
    if (words) fields.push(["timestamp_granularities[]", "word"]);
  } else {
    fields.push(["response_format", "json"], ["stream", "true"]);
  }
  return fields;
}

function body(file, words) {
  const form = new FormData();
  for (const [name, value] of transcriptionWanted(words)) form.append(name, value);
  form.append("file", file);
  return form;
}

async function transcribe() {
  const file = recording();
  if (!file) throw new Refusal("Choose a recording first, drop one here, or record one.");
  clear();
  request?.abort();
  const asked = request = new AbortController();
  showBusy(true);
  note("listen-note", "transcribing; if the model is not loaded yet, this takes a few seconds more …");
  const began = performance.now();
  try {
    const text = await (hasTimes() ? withTimes(file, asked.signal) : asItComes(file, asked.signal));
    note("listen-note", text ? `took ${seconds(performance.now() - began)}` : SILENT);
  } catch (error) {
    if (!isAbort(error)) throw error;
  } finally {
    if (request === asked) showBusy(false);
  }
}

async function withTimes(file, signal) {
  const send = async (words) =>
    (await ask("v1/audio/transcriptions", { method: "POST", body: body(file, words), signal })).json();
  const { text, segments, words } = await send().catch((error) => {
    // Some models have word timestamps in some languages only; the server refuses once it knows the language.
    if (error.param === "timestamp_granularities") return send(false);
    throw error;
  });
  const parts = partsOf(segments, words);
  const cues = cuesOf(parts);
  showTranscript(parts);
  offerText("txt", segments.map((segment) => segment.text.trim()).join("\n"));
  offerText("srt", srtOf(cues));
  offerText("vtt", vttOf(cues));
  $("transcript-links").hidden = !text;
  return text;
}

async function asItComes(file, signal) {
  const answer = await ask("v1/audio/transcriptions", { method: "POST", body: body(file), signal });
  const shown = $("transcript");
  shown.hidden = false;
  for await (const event of events(answer, BROKEN_OFF)) {
    if (event.type === "transcript.text.delta") shown.textContent += event.delta;
    if (event.type === "transcript.text.done") shown.textContent = event.text;
  }
  shown.hidden = !shown.textContent;
  offerText("txt", shown.textContent);
  $("save-srt").hidden = $("save-vtt").hidden = true;
  $("transcript-links").hidden = !shown.textContent;
  return shown.textContent;
}

function offerText(ending, text) {
  offer(`save-${ending}`, "href", new Blob([text.trimEnd(), "\n"], { type: "text/plain" }));
  $(`save-${ending}`).download = `${(recording()?.name ?? "transcript").replace(/\.[^.]*$/, "")}.${ending}`;
  $(`save-${ending}`).hidden = false;
}

function clear() {
  clearTranscript();
  $("transcript").textContent = "";
  $("transcript").hidden = true;
  $("transcript-links").hidden = true;
}

function showBusy(busy) {
  $("cancel").hidden = $("listen-bar").hidden = !busy;
  $("listen-button").disabled = busy;
}

function cancel() {
  request.abort();
  note("listen-note", "cancelled");
  showBusy(false);
  $("listen-button").focus();
}

onRecording(clear);
$("listen").onsubmit = guarded("listen-note", transcribe);
$("cancel").onclick = cancel;
$("stt-model").onchange = showLanguages;
