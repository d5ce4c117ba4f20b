// The report of a client's script: one line of JSON for each call, as calls.py writes it.

import fs from 'node:fs';

export const server = process.env.CLIENTS_URL;
export const url = `${server}/v1`;
export const key = process.env.CLIENTS_KEY;
export const wrongKey = 'wrong';
export const audioPath = process.env.CLIENTS_AUDIO;
export const audio = fs.readFileSync(audioPath);
export const longAudioPath = process.env.CLIENTS_LONG_AUDIO;
// Behind TLS, for a client that insists on it.
export const tlsUrl = `${process.env.CLIENTS_TLS_URL}/v1`;
// Two utterances between silences; PCM16 at 24 kHz, without the 44 bytes of the file's header.
export const speech = fs.readFileSync(process.env.CLIENTS_SPEECH).subarray(44);
export const text = 'The quick brown fox.';

// Report a call that has to succeed; the function throws where the answer is not right.
export async function call(what, run) {
  try {
    await run();
    report(what);
  } catch (error) {
    report(what, `${error?.name}: ${error?.message}`);
  }
}

// Report a call that the client has to see refused with a status.
export async function refused(what, status, run) {
  try {
    await run();
    report(`${what}: ${status}`, 'was not refused');
  } catch (error) {
    const told = error?.status ?? error?.statusCode ?? error?.lastError?.statusCode;
    report(`${what}: ${status}`, told === status ? '' : `status ${told}, ${error?.name}: ${error?.message}`);
  }
}

export const isMp3 = (bytes) =>
  Buffer.from(bytes.subarray(0, 3)).toString('latin1') === 'ID3' || (bytes[0] === 0xff && (bytes[1] & 0xe0) === 0xe0);

// Yield samples as a microphone does, in pieces of 0.1 s.
export function* pieces(samples) {
  for (let from = 0; from < samples.length; from += 4800) yield samples.subarray(from, from + 4800);
}

function report(what, error = '') {
  console.log(JSON.stringify({ call: what, error: error.replaceAll(/\s+/g, ' ').slice(0, 300) }));
}
