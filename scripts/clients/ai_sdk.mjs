// Vercel's AI SDK with its providers for OpenAI and for Groq.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createGroq } from '@ai-sdk/groq';
import { createOpenAI } from '@ai-sdk/openai';
import * as ai from 'ai';
import { audio, call, isMp3, key, longAudioPath, refused, server, text, url, wrongKey } from './calls.mjs';

const transcribe = ai.transcribe ?? ai.experimental_transcribe;
const generateSpeech = ai.generateSpeech ?? ai.experimental_generateSpeech;
const openai = createOpenAI({ baseURL: url, apiKey: key });
const groq = createGroq({ baseURL: `${server}/openai/v1`, apiKey: key });
const spoken = { voice: 'alloy', text, maxRetries: 0 };

await call('generateSpeech, openai', async () => {
  const answer = await generateSpeech({ ...spoken, model: openai.speech('tts-1') });
  assert.ok(isMp3(answer.audio.uint8Array));
});

for (const model of ['whisper-1', 'gpt-4o-transcribe']) {
  await call(`transcribe, openai, ${model}`, async () => {
    const heard = await transcribe({ model: openai.transcription(model), audio, maxRetries: 0 });
    assert.ok(heard.text);
  });
}

await call('transcribe, openai, segments', async () => {
  const heard = await transcribe({
    model: openai.transcription('whisper-1'),
    audio,
    maxRetries: 0,
    providerOptions: { openai: { timestampGranularities: ['segment'] } },
  });
  assert.equal(heard.language, 'en');
  assert.ok(heard.segments.length > 0);
});

await call('transcribe, groq, whisper-large-v3-turbo', async () => {
  const heard = await transcribe({ model: groq.transcription('whisper-large-v3-turbo'), audio, maxRetries: 0 });
  assert.ok(heard.text);
});

await refused('transcribe, openai, unknown model', 404, () =>
  transcribe({ model: openai.transcription('no-such-model'), audio, maxRetries: 0 }),
);

await refused('generateSpeech, openai, unknown voice', 400, () =>
  generateSpeech({ ...spoken, voice: 'no-such-voice', model: openai.speech('tts-1') }),
);

await refused('transcribe, openai, too large', 413, () =>
  transcribe({ model: openai.transcription('whisper-1'), audio: fs.readFileSync(longAudioPath), maxRetries: 0 }),
);

await refused('generateSpeech, openai, wrong key', 401, () =>
  generateSpeech({ ...spoken, model: createOpenAI({ baseURL: url, apiKey: wrongKey }).speech('tts-1') }),
);
