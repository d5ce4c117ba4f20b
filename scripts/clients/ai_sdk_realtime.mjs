// Vercel's AI SDK: speech to text while it is spoken, with its provider for OpenAI.

import assert from 'node:assert/strict';
import { createOpenAI } from '@ai-sdk/openai';
import { experimental_streamTranscribe as streamTranscribe } from 'ai';
import { call, key, pieces, speech, url, wrongKey } from './calls.mjs';

const inputAudioFormat = { type: 'audio/pcm', rate: 24000 };

// Return the parts of a stream, and the text that it made.
async function listen(model, apiKey = key) {
  const openai = createOpenAI({ baseURL: url, apiKey });
  const audio = ReadableStream.from(pieces(speech));
  const result = streamTranscribe({ model: openai.transcription(model), audio, inputAudioFormat });
  const parts = [];
  for await (const part of result.fullStream) {
    if (part.type === 'error') throw part.error;
    parts.push(part);
  }
  return { parts, text: await result.text };
}

for (const model of ['gpt-transcribe', 'gpt-realtime-whisper']) {
  await call(`streamTranscribe, ${model}`, async () => {
    const { parts, text } = await listen(model);
    assert.ok(text);
    const final = parts.at(-1);
    assert.equal(final.type, 'transcript-final', parts.map((part) => part.type).join());
    assert.equal(final.text, text);
  });
}

for (const [why, model, apiKey] of [
  ['wrong key', 'gpt-transcribe', wrongKey],
  ['unknown model', 'gpt-transcribe-no-such', key],
]) {
  await call(`streamTranscribe, ${why}: error`, () => assert.rejects(listen(model, apiKey), /API key|model/));
}
