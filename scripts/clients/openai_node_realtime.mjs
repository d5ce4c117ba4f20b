// OpenAI's client for JavaScript: the Realtime API. It speaks TLS whatever the address says.

import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { call, key, pieces, speech, text, tlsUrl, wrongKey } from './calls.mjs';

const limitMs = 30_000;
const utterances = 2;
const format = { type: 'audio/pcm', rate: 24000 };
const transcription = 'conversation.item.input_audio_transcription';

// Open a session, run a function with it, and close it; its events are kept.
async function connected(target, run, apiKey = key) {
  const client = new OpenAI({ baseURL: tlsUrl, apiKey, maxRetries: 0 });
  const session = new OpenAIRealtimeWS(target, client);
  const events = [];
  const waiting = new Set();
  const look = () => waiting.forEach((check) => check());
  session.on('event', (event) => {
    events.push(event);
    look();
  });
  let failed;
  session.on('error', (error) => {
    failed ??= error;
    look();
  });
  // Return the event of a type that makes up its number.
  const until = (type, times = 1) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${type} among ${events.map((e) => e.type)}`)), limitMs);
      const check = () => {
        const found = events.filter((event) => event.type === type);
        if (!failed && found.length < times) return;
        clearTimeout(timer);
        waiting.delete(check);
        if (failed) reject(failed);
        else resolve(found.at(-1));
      };
      waiting.add(check);
      check();
    });
  try {
    await until('session.created');
    await run({ session, events, until });
  } finally {
    session.close();
  }
}

async function listen({ session, until }, turnDetection, model = 'gpt-4o-transcribe') {
  const input = { format, transcription: { model, language: 'en' }, turn_detection: turnDetection };
  session.send({ type: 'session.update', session: { type: 'transcription', audio: { input } } });
  await until('session.updated');
  for (const piece of pieces(speech)) {
    session.send({ type: 'input_audio_buffer.append', audio: piece.toString('base64') });
  }
}

await call('OpenAIRealtimeWS, server_vad', () =>
  connected({ intent: 'transcription' }, async (opened) => {
    await listen(opened, { type: 'server_vad', silence_duration_ms: 500 });
    await opened.until(`${transcription}.completed`, utterances);
    const items = opened.events.filter((e) => e.type === 'input_audio_buffer.committed').map((e) => e.item_id);
    const done = opened.events.filter((event) => event.type === `${transcription}.completed`);
    assert.deepEqual(done.map((event) => event.item_id), items);
    assert.ok(done.every((event) => event.transcript));
  }),
);

await call('OpenAIRealtimeWS, manual commit', () =>
  connected({ intent: 'transcription' }, async (opened) => {
    await listen(opened, null);
    opened.session.send({ type: 'input_audio_buffer.commit' });
    assert.ok((await opened.until(`${transcription}.completed`)).transcript);
  }),
);

await call('OpenAIRealtimeWS, speech', () =>
  connected({ model: 'gpt-realtime' }, async ({ session, events, until }) => {
    const audio = { output: { voice: 'alloy', format } };
    session.send({ type: 'session.update', session: { type: 'realtime', output_modalities: ['audio'], audio } });
    await until('session.updated');
    const item = { type: 'message', role: 'user', content: [{ type: 'input_text', text }] };
    session.send({ type: 'response.create', response: { conversation: 'none', input: [item] } });
    assert.equal((await until('response.done')).response.status, 'completed');
    const deltas = events.filter((event) => event.type === 'response.output_audio.delta');
    const pcm = Buffer.concat(deltas.map((event) => Buffer.from(event.delta, 'base64')));
    assert.ok(pcm.length > 24000, `${pcm.length} bytes`);
  }),
);

for (const [why, code, apiKey, model] of [
  ['unknown model', 'model_not_found', key, 'no-such-model'],
  ['wrong key', 'invalid_api_key', wrongKey, 'gpt-4o-transcribe'],
]) {
  await call(`OpenAIRealtimeWS, ${why}: error`, async () => {
    const opened = connected({ intent: 'transcription' }, (one) => listen(one, null, model), apiKey);
    await assert.rejects(opened, (error) => error.error?.code === code || assert.fail(`${error}`));
  });
}

await call('realtime.clientSecrets.create', async () => {
  const client = new OpenAI({ baseURL: tlsUrl, apiKey: key, maxRetries: 0 });
  const session = { type: 'transcription', audio: { input: { transcription: { model: 'gpt-4o-transcribe' } } } };
  const secret = await client.realtime.clientSecrets.create({ session });
  assert.ok(secret.value.startsWith('ek_'));
  await connected({ intent: 'transcription' }, async ({ events }) => {
    assert.equal(events[0].session.audio.input.transcription.model, 'gpt-4o-transcribe');
  }, secret.value);
});
