// The recording to transcribe: a file that was chosen or dropped, or a recording from the microphone.
import { $, guarded, note, offer } from "./elements.js";
import { openStream, release } from "./microphone.js";

let spoken = null; // what was recorded here
let recorder = null; // while it records
const watchers = [];

export const recording = () => spoken ?? $("file").files[0] ?? null;

// Calls *watcher* whenever the recording changes.
export const onRecording = (watcher) => watchers.push(watcher);

function changed() {
  const file = recording();
  $("recording").hidden = !file;
  if (file) offer("recording", "src", file);
  note("listen-note", "");
  watchers.forEach((watcher) => watcher());
}

function take(file) {
  spoken = file;
  $("file").value = "";
  changed();
}

async function record() {
  if (recorder) {
    recorder.stop();
    return;
  }
  const stream = await openStream();
  const parts = [];
  recorder = new MediaRecorder(stream);
  recorder.ondataavailable = (event) => parts.push(event.data);
  recorder.onstop = () => {
    release(stream);
    const type = recorder.mimeType.split(";")[0] || "audio/webm";
    recorder = null;
    show(false);
    take(new File(parts, `recording.${type.split("/")[1]}`, { type }));
    $("listen").requestSubmit();
  };
  recorder.start();
  note("listen-note", "recording …");
  show(true);
}

function show(on) {
  $("record").textContent = on ? "Stop recording" : "Record again";
  $("record").classList.toggle("on", on);
}

// A recording made by Chromium does not say how long it is, so the player cannot seek until it has jumped to the end once.
function findLength() {
  const player = $("recording");
  if (player.duration !== Infinity) return;
  player.ondurationchange = () => {
    if (player.duration === Infinity) return;
    player.ondurationchange = null;
    player.currentTime = 0;
  };
  player.currentTime = Number.MAX_SAFE_INTEGER;
}

$("record").onclick = guarded("listen-note", record);
$("file").onchange = () => { spoken = null; changed(); };
$("recording").onloadedmetadata = findLength;
$("recording").onerror = () => {
  $("recording").hidden = true;
  note("listen-note", "This browser cannot play the recording. The server may still be able to read it: press Transcribe.");
};
$("listen").ondragover = (event) => { event.preventDefault(); $("listen").classList.add("over"); };
$("listen").ondragleave = () => $("listen").classList.remove("over");
$("listen").ondrop = (event) => {
  event.preventDefault();
  $("listen").classList.remove("over");
  if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
};
