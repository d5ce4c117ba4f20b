// Answers that come before the body has been sent: Node's fetch must see the status, and not a broken pipe.
//
// scripts/check_openai_node.py gives the server, which has a key and refuses recordings above 10 kB, as
// REFUSING_BASE_URL, and its key as REFUSING_KEY; without them there is nothing to test.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { test, describe } from 'node:test';
import OpenAI, { toFile } from 'openai';

const baseURL = process.env.REFUSING_BASE_URL;
const key = process.env.REFUSING_KEY;
const TIMES = 10;
const SIZES = { '20 kB': 20_000, '1 MB': 1_000_000, '20 MB': 20_000_000 };
const model = 'whisper-1';

const asking = (apiKey, base = baseURL) =>
  new OpenAI({ apiKey, baseURL: base, maxRetries: 0, timeout: 60_000 });

const refusals = {
  401: [OpenAI.AuthenticationError, () => asking('wrong').audio.transcriptions],
  404: [OpenAI.NotFoundError, () => asking(key, `${baseURL}/nowhere`).audio.transcriptions],
  413: [OpenAI.APIError, () => asking(key).audio.transcriptions],
};

describe('refusals of uploads', { skip: !baseURL }, () => {
  for (const [status, [kind, of]] of Object.entries(refusals)) {
    for (const [size, bytes] of Object.entries(SIZES)) {
      test(`${status} of ${size}, ${TIMES} times out of ${TIMES}`, async () => {
        const seen = [];
        for (let time = 0; time < TIMES; time++) {
          const file = await toFile(new Uint8Array(bytes), 'speech.wav');
          await assert.rejects(of().create({ file, model }), (error) => {
            seen.push(error.status ?? String(error.cause ?? error));
            return error instanceof kind || error.status === undefined;
          });
        }

        assert.deepEqual(seen, Array(TIMES).fill(Number(status)));
      });
    }
  }

  test('a recording that is read from disk, without a length', async (context) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'early-'));
    context.after(() => fs.rmSync(folder, { recursive: true }));
    const large = path.join(folder, 'speech.wav');
    fs.writeFileSync(large, new Uint8Array(20_000_000));

    for (const [status, [, of]] of Object.entries(refusals)) {
      const wrong = of().create({ file: fs.createReadStream(large), model });
      await assert.rejects(wrong, (error) => error.status === Number(status));
    }
  });

  test('a sample of a voice', async () => {
    const file = await toFile(new Uint8Array(60_000_000), 'voice.wav');
    const form = new FormData();
    form.append('audio_sample', file);
    const headers = { authorization: `Bearer ${key}` };

    const answer = await fetch(`${baseURL}/audio/voices`, { method: 'POST', body: form, headers });

    assert.equal(answer.status, 413);
    assert.match((await answer.json()).error.message, /limit/);
  });

  test('a mistake in the middle of a form', async () => {
    const form = new FormData();
    form.append('prompt', 'x'.repeat(100_000));
    form.append('file', new Blob([new Uint8Array(20_000_000)]), 'speech.wav');
    const headers = { authorization: `Bearer ${key}` };
    const small = { ...headers, 'content-type': 'multipart/form-data; boundary=b' };
    const broken = new Blob([`--b\r\nnonsense`, new Uint8Array(900_000)]);

    const long = await fetch(`${baseURL}/audio/transcriptions`, { method: 'POST', body: form, headers });
    const cut = await fetch(`${baseURL}/audio/transcriptions`, { method: 'POST', body: broken, headers: small });

    assert.equal(long.status, 413);
    assert.equal(cut.status, 400);
  });

  test('through the module http, as axios sends it', async () => {
    const { hostname, port, pathname } = new URL(`${baseURL}/audio/transcriptions`);
    for (let time = 0; time < TIMES; time++) {
      const status = await new Promise((resolve, reject) => {
        const headers = { authorization: 'Bearer wrong', 'transfer-encoding': 'chunked' };
        const request = http.request({ hostname, port, path: pathname, method: 'POST', headers });
        request.on('response', (answer) => answer.resume().on('end', () => resolve(answer.statusCode)));
        request.on('error', reject);
        request.end(new Uint8Array(20_000_000));
      });

      assert.equal(status, 401);
    }
  });
});
