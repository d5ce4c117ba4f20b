// Sound that plays while it arrives: PCM16 pieces, each scheduled right after the one before.
//
// It uses buffers and no AudioWorklet: browsers offer worklets on https:// and localhost only, and a server at home
// is often neither. The audio context has the speech's own sample rate, so that pieces join without clicks.
export const RATE = 24000; // hertz; the server's sample rate for pcm
const LEAD = RATE * 0.1; // samples; how far ahead a piece is scheduled, so that the browser starts it in time

export class Sound {
  #context;
  #parts = [];
  #odd = null; // the first byte of a sample whose second one has not arrived
  #made = 0; // samples
  #next = null; // where the next piece goes, in samples of the context's clock
  #last = null; // the source that plays last
  #done = () => {};

  // Create it while handling a click or key press: later the browser may refuse to play.
  constructor() {
    this.#context = new AudioContext({ sampleRate: RATE });
    this.#context.resume().catch(() => {});
    this.gaps = 0; // how often a piece arrived too late
  }

  get madeS() {
    return this.#made / RATE;
  }

  get heardS() {
    const ahead = Math.max((this.#next ?? 0) - this.#context.currentTime * RATE, 0);
    return Math.max(this.#made - ahead, 0) / RATE;
  }

  get silenced() {
    return this.#context.state === "suspended";
  }

  resume() {
    return this.#context.resume();
  }

  add(bytes) {
    this.#parts.push(bytes);
    const samples = this.#samples(bytes);
    if (!samples.length || this.#context.state === "closed") return;
    const buffer = this.#context.createBuffer(1, samples.length, RATE);
    buffer.copyToChannel(samples, 0);
    const source = this.#context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.#context.destination);
    const now = Math.ceil(this.#context.currentTime * RATE);
    if (this.#next === null || this.#next < now) {
      if (this.#next !== null) this.gaps += 1;
      this.#next = now + LEAD;
    }
    source.start(this.#next / RATE);
    this.#next += samples.length;
    this.#made += samples.length;
    this.#last = source;
  }

  // Resolves when all that was added has been heard, or the sound was stopped.
  async heard() {
    if (this.#context.state !== "closed" && this.heardS < this.madeS) {
      await new Promise((resolve) => { this.#done = this.#last.onended = resolve; });
    }
    this.stop();
  }

  stop() {
    this.#done();
    if (this.#context.state !== "closed") this.#context.close().catch(() => {});
  }

  // What has been added so far, as a file.
  wav() {
    const size = this.#parts.reduce((sum, part) => sum + part.length, 0) & ~1;
    const view = new DataView(new ArrayBuffer(44));
    const text = (at, word) => [...word].forEach((char, i) => view.setUint8(at + i, char.charCodeAt(0)));
    text(0, "RIFF");
    view.setUint32(4, 36 + size, true);
    text(8, "WAVEfmt ");
    view.setUint32(16, 16, true);
    view.setUint16(20, 1, true); // PCM
    view.setUint16(22, 1, true); // mono
    view.setUint32(24, RATE, true);
    view.setUint32(28, RATE * 2, true);
    view.setUint16(32, 2, true);
    view.setUint16(34, 16, true);
    text(36, "data");
    view.setUint32(40, size, true);
    return new Blob([view, new Blob(this.#parts).slice(0, size)], { type: "audio/wav" });
  }

  #samples(bytes) {
    const held = this.#odd === null ? 0 : 1;
    const all = new Uint8Array(held + bytes.length);
    if (held) all[0] = this.#odd;
    all.set(bytes, held);
    const count = all.length >> 1;
    this.#odd = all.length % 2 ? all[all.length - 1] : null;
    const view = new DataView(all.buffer);
    return Float32Array.from({ length: count }, (_, i) => view.getInt16(i * 2, true) / 32768);
  }
}
