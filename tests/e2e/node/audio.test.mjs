// The official client for JavaScript against a running server; scripts/check_openai_node.py runs it.
//
// OPENAI_BASE_URL is the server's, AUDIO a recording of speech or of a tone. Whatever the engines hear, the
// shapes and types must be OpenAI's.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import fs from 'node:fs';
import { test, describe } from 'node:test';
import OpenAI, { toFile } from 'openai';

const client = new OpenAI({ apiKey: 'My API Key', maxRetries: 0, timeout: 60_000 });
const path = process.env.AUDIO;
const bytes = fs.readFileSync(path);
const model = 'gpt-4o-transcribe';

describe('transcriptions', () => {
  const uploads = {
    'a read stream, sent in chunks without a length': () => fs.createReadStream(path),
    'a buffer with a name': () => toFile(bytes, 'speech.wav'),
    'a buffer with a misleading name and type': () => toFile(bytes, 'README.md', { type: 'text/markdown' }),
    'a buffer without a name': () => toFile(bytes),
    'a File': () => new File([bytes], 'speech.wav', { type: 'audio/wav' }),
    'a Blob': () => toFile(new Blob([bytes])),
    'a response of fetch': () => toFile(new Response(bytes), 'speech.wav'),
    'an async generator': () =>
      toFile(
        (async function* () {
          for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
        })(),
      ),
  };
  for (const [name, upload] of Object.entries(uploads)) {
    test(`of ${name}`, async () => {
      const { data, response } = await client.audio.transcriptions
        .create({ file: await upload(), model })
        .withResponse();

      assert.equal(response.status, 200);
      assert.equal(typeof data.text, 'string');
      assert.equal(data.usage.type, 'duration');
      assert.ok(data.usage.seconds >= 1);
    });
  }

  test('text, srt and vtt are strings', async () => {
    const file = () => fs.createReadStream(path);

    const text = await client.audio.transcriptions.create({ file: file(), model, response_format: 'text' });
    const srt = await client.audio.transcriptions.create({ file: file(), model, response_format: 'srt' });
    const vtt = await client.audio.transcriptions.create({ file: file(), model, response_format: 'vtt' });

    assert.match(text, /\n$/);
    assert.match(srt, /^1\n00:00:\d\d,\d\d\d --> /);
    assert.match(vtt, /^WEBVTT\n\n00:00:\d\d\.\d\d\d --> /);
  });

  test('verbose_json has what was asked for', async () => {
    const ask = (granularities) =>
      client.audio.transcriptions.create({
        file: fs.createReadStream(path),
        model: 'whisper-1',
        response_format: 'verbose_json',
        timestamp_granularities: granularities,
      });

    const [words, both, neither] = [await ask(['word']), await ask(['word', 'segment']), await ask(undefined)];

    assert.equal(words.segments, undefined);
    assert.deepEqual(Object.keys(words.words[0]).sort(), ['end', 'start', 'word']);
    assert.ok(both.words && both.segments);
    assert.equal(neither.words, undefined);
    assert.equal(Object.keys(neither.segments[0]).length, 10);
    assert.equal(typeof neither.duration, 'number');
    assert.match(neither.language, /^[a-z ]+$/);
  });

  test('nested and repeated fields arrive', async () => {
    const data = await client.audio.transcriptions.create({
      file: await toFile(bytes),
      model,
      chunking_strategy: { type: 'server_vad', threshold: 0.4, silence_duration_ms: 300 },
      language: 'en',
      languages: ['en'],
      keywords: ['lighthouse', 'keeper'],
      prompt: '',
      stream: false,
      temperature: 0,
    });

    assert.deepEqual(data.languages, [{ code: 'en' }]);
  });

  test('events join to the text of the last one', async () => {
    const stream = await client.audio.transcriptions.create({
      file: fs.createReadStream(path),
      model,
      stream: true,
    });
    const events = [];
    for await (const event of stream) events.push(event);

    const deltas = events.filter((event) => event.type === 'transcript.text.delta');
    const done = events.at(-1);
    assert.equal(done.type, 'transcript.text.done');
    assert.equal(deltas.map((event) => event.delta).join(''), done.text);
    assert.equal(done.usage.total_tokens, done.usage.input_tokens + done.usage.output_tokens);
  });

  test('a stream can be left', async () => {
    const stream = await client.audio.transcriptions.create({ file: await toFile(bytes), model, stream: true });
    for await (const event of stream) {
      assert.ok(event.type);
      break;
    }

    assert.ok(stream.controller.signal.aborted);
  });
});

describe('translations', () => {
  test('are in English', async () => {
    const data = await client.audio.translations.create({
      file: await toFile(bytes),
      model: 'whisper-1',
      response_format: 'verbose_json',
    });

    assert.equal(data.language, 'english');
    assert.equal(typeof data.text, 'string');
  });
});

describe('speech', () => {
  const input = 'The keeper climbed the stairs.';
  const formats = {
    mp3: ['audio/mpeg', (head) => head[0] === 0xff],
    opus: ['audio/opus', (head) => head.toString('latin1').startsWith('OggS')],
    aac: ['audio/aac', (head) => head[0] === 0xff],
    flac: ['audio/flac', (head) => head.toString('latin1').startsWith('fLaC')],
    wav: ['audio/wav', (head) => head.toString('latin1').startsWith('RIFF')],
    pcm: ['audio/pcm', () => true],
  };
  for (const [format, [type, fits]] of Object.entries(formats)) {
    test(`is ${format}`, async () => {
      const response = await client.audio.speech.create({
        model: 'gpt-4o-mini-tts',
        voice: 'alloy',
        input,
        response_format: format,
        instructions: 'Calmly.',
        speed: 1.25,
      });

      const audio = Buffer.from(await response.arrayBuffer());
      assert.equal(response.headers.get('content-type').split(';')[0], type);
      assert.ok(audio.length > 1000 && fits(audio));
    });
  }

  test('is mp3 where nothing else is asked for', async () => {
    const response = await client.audio.speech.create({ model: 'tts-1', voice: 'nova', input });
    await response.arrayBuffer();

    assert.equal(response.headers.get('content-type'), 'audio/mpeg');
  });

  test('is events that join to a file', async () => {
    const response = await client.audio.speech.create({
      model: 'gpt-4o-mini-tts',
      voice: 'alloy',
      input,
      response_format: 'wav',
      stream_format: 'sse',
    });
    const lines = (await response.text()).split('\n\n').filter(Boolean);

    assert.match(response.headers.get('content-type'), /^text\/event-stream/);
    assert.equal(lines.pop(), 'data: [DONE]');
    const events = lines.map((line) => JSON.parse(line.slice('data: '.length)));
    assert.equal(events.pop().type, 'speech.audio.done');
    const audio = Buffer.concat(events.map((event) => Buffer.from(event.audio, 'base64')));
    assert.ok(audio.toString('latin1').startsWith('RIFF'));
  });
});

describe('models', () => {
  test('are listed and found', async () => {
    const found = [];
    for await (const listed of client.models.list()) found.push(listed);
    const one = await client.models.retrieve('whisper-1');

    assert.ok(found.some((listed) => listed.id === 'tts-1'));
    assert.deepEqual([one.id, one.object, typeof one.created], ['whisper-1', 'model', 'number']);
  });

  test('are not deleted', async () => {
    await assert.rejects(client.models.delete('whisper-1'), (error) => {
      assert.ok(error instanceof OpenAI.PermissionDeniedError);
      return error.code === 'model_not_deletable';
    });
  });
});

describe('errors', () => {
  test('have their class, code, param and request', async () => {
    const wrong = client.audio.transcriptions.create({ file: await toFile(bytes), model: 'Some/none' });
    await assert.rejects(wrong, (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.deepEqual([error.code, error.param], ['model_not_found', 'model']);
      return /^req_/.test(error.requestID);
    });
  });

  test('are raised for what is no audio, also from a stream', async () => {
    for (const stream of [false, true]) {
      const file = await toFile(Buffer.from('Example data'), 'speech.mp3');
      await assert.rejects(client.audio.transcriptions.create({ file, model, stream }), OpenAI.BadRequestError);
    }
  });

  test('name the field', async () => {
    const wrong = client.audio.speech.create({ model: 'tts-1', voice: 'alloy', input: 'Hi.', speed: 9 });
    await assert.rejects(wrong, (error) => error.status === 400 && error.param === 'speed');
  });

  test('an aborted request ends at once', async () => {
    const gone = new AbortController();
    const request = client.audio.transcriptions.create(
      { file: await toFile(bytes), model },
      { signal: gone.signal },
    );
    gone.abort();
    await assert.rejects(request, OpenAI.APIUserAbortError);
  });
});
