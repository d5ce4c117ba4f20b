// OpenAI's client for JavaScript, the newest release or the oldest that can do the same.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import OpenAI from 'openai';
import { audioPath, call, isMp3, key, longAudioPath, refused, text, url, wrongKey } from './calls.mjs';

const client = new OpenAI({ baseURL: url, apiKey: key, maxRetries: 0 });
const modern = process.env.CLIENTS_NAME === 'openai-node';
const recording = () => fs.createReadStream(audioPath);

await call('models.list', async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.ok(ids.includes('echo-stt'), `${ids}`);
});

await call('audio.speech.create', async () => {
  const answer = await client.audio.speech.create({ model: 'tts-1', voice: 'alloy', input: text });
  assert.ok(isMp3(Buffer.from(await answer.arrayBuffer())));
});

await call('audio.transcriptions.create', async () => {
  const heard = await client.audio.transcriptions.create({ model: 'whisper-1', file: recording() });
  assert.ok(heard.text);
});

await call('audio.translations.create', async () => {
  const translated = await client.audio.translations.create({ model: 'whisper-1', file: recording() });
  assert.ok(translated.text);
});

if (modern) {
  await call('audio.transcriptions.create, words', async () => {
    const detailed = await client.audio.transcriptions.create({
      model: 'whisper-1',
      file: recording(),
      response_format: 'verbose_json',
      timestamp_granularities: ['word'],
    });
    assert.ok(detailed.words.length > 0);
  });

  await call('audio.transcriptions.create, stream', async () => {
    const types = [];
    const model = 'gpt-4o-transcribe';
    const events = await client.audio.transcriptions.create({ model, file: recording(), stream: true });
    for await (const event of events) types.push(event.type);
    assert.equal(types.at(-1), 'transcript.text.done');
  });
}

await refused('audio.transcriptions.create, unknown model', 404, () =>
  client.audio.transcriptions.create({ model: 'no-such-model', file: recording() }),
);

await refused('audio.speech.create, unknown voice', 400, () =>
  client.audio.speech.create({ model: 'tts-1', voice: 'no-such-voice', input: text }),
);

await refused('audio.speech.create, wrong key', 401, () =>
  new OpenAI({ baseURL: url, apiKey: wrongKey, maxRetries: 0 }).audio.speech.create({
    model: 'tts-1',
    voice: 'alloy',
    input: text,
  }),
);

// Both are refused while the recording is still on its way.
for (const [why, status, apiKey] of [['too large', 413, key], ['long, wrong key', 401, wrongKey]]) {
  await refused(`audio.transcriptions.create, ${why}`, status, () =>
    new OpenAI({ baseURL: url, apiKey, maxRetries: 0 }).audio.transcriptions.create({
      model: 'whisper-1',
      file: fs.createReadStream(longAudioPath),
    }),
  );
}
