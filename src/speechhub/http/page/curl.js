// The requests of the two forms, as curl commands.
import { $ } from "./elements.js";
import { key } from "./key.js";
import { transcriptionWanted } from "./listening.js";
import { recording } from "./recording.js";
import { BASE } from "./server.js";
import { clipFile, speechWanted } from "./speech.js";
import { copy } from "./viewer.js";

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const line = (...parts) => parts.filter(Boolean).join(" \\\n  ");
const keyHeader = () => key.value && '-H "Authorization: Bearer $OPENAI_API_KEY"';

function speech() {
  const wanted = JSON.stringify(speechWanted("mp3", clipFile() && "data:;base64,…"));
  return line(`curl ${BASE}/audio/speech`, keyHeader(), "-H 'Content-Type: application/json'", `-d ${quoted(wanted)}`, "-o speech.mp3");
}

function transcription() {
  const fields = transcriptionWanted().map(([name, value]) => `-F ${quoted(`${name}=${value}`)}`);
  const file = `-F ${quoted(`file=@${recording()?.name ?? "recording.mp3"}`)}`;
  return line(`curl -N ${BASE}/audio/transcriptions`, keyHeader(), ...fields, file);
}

$("speak-curl").onclick = () => copy(speech(), "speak-note");
$("listen-curl").onclick = () => copy(transcription(), "listen-note");
