// A transcription session over a WebSocket, /v1/realtime: sound goes out, events come in.
import { key } from "./key.js";
import { ask, post, Refusal, ROOT } from "./server.js";

const END = "end"; // the id of the last commit, which fails harmlessly if the server has committed everything already
const UNSENT = 1 << 20; // bytes that may wait in the browser; more than ten seconds of sound
const SECRET_S = 60;
const SLOW_CONSUMER = 1008; // this end and the next are the only ones that the server does not explain in an event
const SERVER_STOPS = 1012;

const NO_SOCKET =
  "The server answers, but refuses live connections. A proxy in front of it must forward WebSockets: " +
  "tell the person who runs the server. Until then, record and transcribe.";
const STOPPED = "The server is shutting down. Start again in a few seconds; the captions so far are kept.";
const LOST = "The connection to the server was lost. Check the network, then start again; the captions so far are kept.";
const SLOW = "The connection is too slow for live sound. Use a faster network, or record and transcribe.";

// Opens a session; resolves to it when the server has accepted the settings. *heard* gets every event about the sound.
export async function openSession(settings, heard, signal) {
  const address = new URL("v1/realtime?intent=transcription", ROOT);
  address.protocol = address.protocol.replace("http", "ws");
  const session = new Session(new WebSocket(address, ["realtime", ...(await credentials(settings, signal))]), settings, heard);
  signal.addEventListener("abort", () => session.end(signal.reason));
  await Promise.race([session.accepted, session.ended]);
  signal.throwIfAborted();
  return session;
}

// A browser cannot send a header with a WebSocket. A secret of one minute stands for the key, which a subprotocol's
// alphabet may not be able to spell, and which proxies write to their logs there.
async function credentials(session, signal) {
  if (!key.value) return [];
  const wanted = { session, expires_after: { anchor: "created_at", seconds: SECRET_S } };
  const { value } = await (await post("v1/realtime/client_secrets", wanted, signal)).json();
  return [`openai-insecure-api-key.${value}`];
}

class Session {
  #socket;
  #heard;
  #settings;
  #waiting = new Set(); // the items whose transcripts are still to come
  #began = false; // whether the server has spoken
  #over = false;
  #finishing = false;
  #accept;
  #settle; // { resolve, reject } of `ended`

  constructor(socket, settings, heard) {
    this.#socket = socket;
    this.#settings = settings;
    this.#heard = heard;
    this.accepted = new Promise((resolve) => { this.#accept = resolve; });
    // Settles once: without a value after `finish`, otherwise with the error that ended the session.
    this.ended = new Promise((resolve, reject) => { this.#settle = { resolve, reject }; });
    this.ended.catch(() => {});
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    socket.onclose = async ({ code }) => { if (!this.#over) this.end(await this.#refusal(code)); };
  }

  update(settings) {
    this.#send({ type: "session.update", session: settings });
  }

  append(bytes) {
    if (this.#finishing || this.#over) return;
    if (this.#socket.bufferedAmount > UNSENT) this.end(new Refusal(SLOW));
    this.#send({ type: "input_audio_buffer.append", audio: btoa(String.fromCharCode(...new Uint8Array(bytes))) });
  }

  get isFinishing() {
    return this.#finishing;
  }

  // Ends the session when the transcripts of everything said so far are there.
  finish() {
    this.#finishing = true;
    this.#waiting.add(END);
    this.#send({ type: "input_audio_buffer.commit", event_id: END });
    this.#send({ type: "input_audio_buffer.clear" }); // its answer says that the commit was seen
  }

  // Ends the session at once; *reason* is an error, or null.
  end(reason = null) {
    this.#over = true;
    if (reason) this.#settle.reject(reason);
    else this.#settle.resolve();
    this.#socket.close(1000);
  }

  #send(event) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(event));
  }

  #take(event) {
    switch (event.type) {
      case "session.created":
        this.#began = true;
        this.update(this.#settings);
        return;
      case "session.updated":
        this.#accept();
        return;
      case "error":
        if (event.error.event_id !== END) this.end(refusalOf(event.error));
        return;
      case "input_audio_buffer.committed":
        this.#waiting.add(event.item_id);
        break;
      case "input_audio_buffer.cleared":
        this.#waiting.delete(END);
        break;
      case "conversation.item.input_audio_transcription.completed":
      case "conversation.item.input_audio_transcription.failed":
        this.#waiting.delete(event.item_id);
        break;
    }
    this.#heard(event);
    if (this.#finishing && !this.#waiting.size) this.end();
  }

  // A browser does not tell a page why a connection failed; whether the server answers otherwise tells the rest.
  async #refusal(code) {
    if (code === SLOW_CONSUMER) return new Refusal(SLOW);
    if (code === SERVER_STOPS) return new Refusal(STOPPED);
    if (this.#began) return new Refusal(LOST);
    return ask("health/live").then(() => new Refusal(NO_SOCKET), (error) => error);
  }
}

function refusalOf({ code, message }) {
  if (code === "invalid_api_key") document.dispatchEvent(new Event("key-wanted"));
  return new Refusal(message, { code });
}
