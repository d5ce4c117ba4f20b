// The microphone: the browser's permission for it, and its sound as PCM16 while it is spoken.
import { Refusal } from "./server.js";

export const RATE = 24000; // hertz; what every realtime server accepts

const INSECURE =
  "Browsers allow the microphone only on https:// pages and on localhost. Open this page that way, or choose a file; " +
  "the person who runs the server can add https with a proxy.";
const FAULTS = {
  NotAllowedError: "This page may not use the microphone. Allow it in the browser's address bar, then try again.",
  NotFoundError: "No microphone was found. Connect one and try again, or choose a file.",
  NotReadableError: "Another program is using the microphone. Close it, then try again.",
};
const LOST = "The microphone was disconnected. Connect it again, then start again.";

// Returns the microphone's stream, for which the browser asks the user; `release` gives it back.
export async function openStream() {
  if (!navigator.mediaDevices) throw new Refusal(INSECURE);
  return navigator.mediaDevices.getUserMedia({ audio: true }).catch((error) => {
    throw new Refusal(FAULTS[error.name] ?? `The microphone does not work: ${error.message}`);
  });
}

export const release = (stream) => stream.getTracks().forEach((track) => track.stop());

export class Microphone {
  #stream;
  #context;

  // Create it while handling a click or key press: later the browser may keep the audio context silent.
  static async open() {
    return new Microphone(await openStream());
  }

  constructor(stream) {
    this.#stream = stream;
    this.#context = new AudioContext({ sampleRate: RATE });
    try {
      this.source = this.#context.createMediaStreamSource(stream);
    } catch { // Firefox does not resample a microphone
      this.#context.close();
      this.#context = new AudioContext();
      this.source = this.#context.createMediaStreamSource(stream);
    }
  }

  get rate() {
    return this.#context.sampleRate;
  }

  // Calls *hear* with each piece, { bytes, peak }, until `close`; calls *lost* with an error if the microphone goes.
  async start(hear, lost) {
    await this.#context.audioWorklet.addModule(new URL("./capture.js", import.meta.url));
    const capture = new AudioWorkletNode(this.#context, "capture", { channelCount: 1, channelCountMode: "explicit" });
    capture.port.onmessage = ({ data }) => hear(data);
    for (const track of this.#stream.getTracks()) track.onended = () => lost(new Refusal(LOST));
    this.source.connect(capture).connect(this.#context.destination); // silent; browsers run what leads somewhere
    await this.#context.resume();
  }

  close() {
    release(this.#stream);
    if (this.#context.state !== "closed") this.#context.close().catch(() => {});
  }
}
