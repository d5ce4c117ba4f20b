// The worklet that cuts the microphone's sound into pieces of PCM16, each with its peak; it runs in the audio thread.
const PIECE_S = 0.05;

class Capture extends AudioWorkletProcessor {
  #piece = new Int16Array(Math.round(sampleRate * PIECE_S));
  #filled = 0; // samples
  #peak = 0; // from 0 to 1

  process([[samples]]) {
    for (const sample of samples ?? []) { // none while the microphone is not connected
      const within = Math.max(-1, Math.min(1, sample));
      this.#piece[this.#filled++] = Math.round(within * 32767);
      this.#peak = Math.max(this.#peak, Math.abs(within));
      if (this.#filled === this.#piece.length) this.#send();
    }
    return true;
  }

  #send() {
    const { buffer, length } = this.#piece;
    this.port.postMessage({ bytes: buffer, peak: this.#peak }, [buffer]);
    this.#piece = new Int16Array(length);
    this.#filled = this.#peak = 0;
  }
}

registerProcessor("capture", Capture);
