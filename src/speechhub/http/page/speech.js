// The speech form: its request, and the sound that comes back.
import { $, choose, guarded, note, offer, seconds } from "./elements.js";
import { languagesOf, modelNamed, offerModels } from "./catalog.js";
import { askJson, isAbort, pieces, post, Refusal } from "./server.js";
import { Sound } from "./sound.js";

const EMOTIONS = ["happy", "angry", "sad", "afraid", "disgusted", "melancholic", "surprised", "calm"];
const BROKEN_OFF = "The speech stopped before its end. You can play and save what has arrived. Try again; the server's log gives the reason.";

let sound = null; // what plays now
let request = null; // its abort() stops the synthesis in progress

const model = () => modelNamed($("tts-model").value);

export async function showSpeech() {
  const any = offerModels("tts-model", "tts", "tts-1");
  $("speak-button").disabled = !any;
  if (any) await showVoices();
  else note("speak-note", "No text-to-speech engine is installed on this server; run ‘speechhub engines’ there to see what is.");
}

// Shows the options that the chosen model accepts besides the text.
function showAbilities(chosen) {
  const able = chosen.capabilities;
  $("instructions-row").hidden = !able.instructions && !able.emotions.includes("text");
  $("clip-row").hidden = !able.cloning;
  $("emotion-row").hidden = !able.emotions.includes("vector");
  $("speech-language-row").hidden = chosen.languages.length < 2;
  choose("speech-language", [["", "same as the text"], ...languagesOf(chosen)], $("speech-language").value);
  choose("emotion", [["", "the voice's own"], ...EMOTIONS.map((emotion) => [emotion, emotion])], $("emotion").value);
}

async function showVoices() {
  const chosen = model();
  showAbilities(chosen);
  const { voices, data } = await askJson(`v1/audio/voices?model=${encodeURIComponent(chosen.id)}`);
  if (chosen !== model()) return; // another one was chosen meanwhile
  const own = voices.map(({ id, name }) => [id, name]);
  const custom = chosen.capabilities.cloning ? data.map(({ id, name }) => [id, `${name} (custom)`]) : [];
  choose("voice", [...own, ...custom], $("voice").value);
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.replace(/^data:[^;,]*(;[^,]*)?;base64,/, "data:;base64,"));
    reader.onerror = () => reject(new Refusal("The browser cannot read the recording of the voice. Choose it again."));
    reader.readAsDataURL(file);
  });
}

export const clipFile = () => ($("clip-row").hidden ? undefined : $("clip").files[0]);

// The request's body as the form describes it, without the fields of hidden rows.
export function speechWanted(format, clip = null) {
  const wanted = { model: $("tts-model").value, input: $("text").value, response_format: format };
  const said = (id) => !$(`${id}-row`).hidden && $(id).value;
  if (clip || $("voice").value) wanted.voice = clip ?? $("voice").value;
  if (Number($("speed").value) !== 1) wanted.speed = Number($("speed").value);
  if (said("speech-language")) wanted.language = $("speech-language").value;
  if (said("emotion")) wanted.emotion = { vector: { [$("emotion").value]: 0.6 } };
  if (said("instructions")) wanted.instructions = $("instructions").value;
  return wanted;
}

async function speak() {
  stop();
  const [playing, asked] = [new Sound(), new AbortController()];
  [sound, request] = [playing, asked];
  showBusy(true);
  note("speak-note", "generating speech; if the model is not loaded yet, this takes a few seconds more …");
  const ticking = setInterval(() => showProgress(playing), 200);
  try {
    await receive(playing, asked.signal);
    await playing.heard();
  } catch (error) {
    if (!isAbort(error)) {
      playing.heard(); // what has arrived is still played
      throw error;
    }
  } finally {
    clearInterval(ticking);
    if (sound === playing) showBusy(false);
    if (!playing.madeS) playing.stop();
  }
}

// Plays the speech while it arrives, then offers all of it to play again and to save.
async function receive(playing, signal) {
  const began = performance.now();
  let first = null;
  try {
    const clip = clipFile() ? await dataUrl(clipFile()) : null;
    const answer = await post("v1/audio/speech", speechWanted("pcm", clip), signal);
    for await (const piece of pieces(answer, BROKEN_OFF)) {
      playing.add(piece);
      if (first === null && playing.madeS) {
        first = performance.now() - began;
        note("speak-note", playing.silenced ? "Your browser blocked the sound: press Speak again." : `first sound after ${seconds(first)}`);
      }
    }
    if (first === null) throw new Refusal("The engine produced no sound for this text. Try another text, voice or model.");
    const slow = playing.gaps ? `; ${playing.gaps} ${playing.gaps === 1 ? "pause" : "pauses"} because the engine is slower than playback` : "";
    note("speak-note", `first sound after ${seconds(first)}, complete after ${seconds(performance.now() - began)}${slow}`);
  } finally {
    if (sound === playing && playing.madeS) keep(playing);
  }
}

function keep(playing) {
  const file = playing.wav();
  offer("player", "src", file);
  offer("save-speech", "href", file);
  $("save-speech").download = "speech.wav";
  $("player").hidden = false;
  $("speak-links").hidden = false;
}

function showBusy(busy) {
  $("stop").hidden = !busy;
  $("speak-button").disabled = busy;
  $("live").hidden = true;
  if (busy) {
    $("recording").pause();
    $("player").pause();
    $("player").hidden = true;
    $("speak-links").hidden = true;
  }
}

function showProgress(playing) {
  if (sound !== playing || !playing.madeS) return;
  $("live").hidden = false;
  $("live-bar").max = playing.madeS;
  $("live-bar").value = playing.heardS;
  $("live-times").textContent = `${playing.heardS.toFixed(1)} of ${playing.madeS.toFixed(1)} s`;
}

// Stops playback and the request; the server stops its engine when the request is gone.
function stop() {
  request?.abort();
  sound?.stop();
}

function pressStop() {
  stop();
  note("speak-note", sound.madeS ? "stopped; you can play and save what was generated until then" : "stopped");
  $("speak-button").disabled = false;
  $("speak-button").focus();
}

// Stops the live sound and continues it in the player, so that the two do not play at once.
function takeOver() {
  if (!sound || $("stop").hidden) return;
  const at = sound.heardS;
  sound.stop();
  if (at < sound.madeS) $("player").currentTime = at;
}

$("speak").onsubmit = guarded("speak-note", speak);
$("stop").onclick = pressStop;
$("player").onplay = takeOver;
$("speed").oninput = () => { $("speed-shown").textContent = $("speed").value; };
$("tts-model").onchange = guarded("speak-note", showVoices);
