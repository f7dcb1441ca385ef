// SPDX-License-Identifier: MIT
//
// The fetch of node, and what both SDKs do on top of it: connections are kept and used again.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

import { test } from './lib/tap.mjs';
import { anthropic, answerTo, collect, dialects, openai, said } from './lib/dialects.mjs';

const FAST = { backend: ['--tokens-per-second', '0'] };

/** Stands before the relay and counts: connections, and those that the relay ended. */
async function counter(stage) {
  const sockets = new Set();
  const seen = {
    connections: 0,
    ended: 0,
    /**
     * The relay kept each connection. That the client made a second one is its own business: undici does when the next
     * request comes in the same turn in which the last answer ended.
     */
    close(requests) {
      server.close();
      for (const socket of sockets) socket.destroy();
      assert.equal(seen.ended, 0);
      assert.ok(seen.connections < requests / 2, `${seen.connections} connections for ${requests} requests`);
    },
  };
  const server = createServer((client) => {
    const relay = connect(Number(new URL(stage.url).port), '127.0.0.1');
    relay.on('end', () => seen.ended++);
    for (const [from, to] of [[client, relay], [relay, client]]) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
    }
    seen.connections++;
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  seen.url = `http://127.0.0.1:${server.address().port}`;
  return seen;
}

const post = (body, more) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ model: 'demo', messages: said('Hello'), ...body }),
  ...more,
});

test('A7 connections are kept after answers of all kinds', FAST, async (stage) => {
  const seen = await counter(stage);
  const chat = `${seen.url}/v1/chat/completions`;
  const requests = [
    [200, `${seen.url}/health`],
    [200, `${seen.url}/v1/models`],
    [200, chat, post()],
    [200, chat, post({ stream: true })],
    [404, chat, post({ model: 'none' })],
    [400, chat, post({ messages: [] })],
    [400, chat, post({}, { body: 'no JSON' })],
    [404, `${seen.url}/nothing`],
    [405, chat],
    [204, chat, { method: 'OPTIONS' }],
  ];
  for (let round = 0; round < 3; round++) {
    for (const [status, ...request] of requests) {
      const response = await fetch(...request);
      assert.equal(response.status, status);
      assert.match(response.headers.get('x-request-id'), /^[0-9a-f-]{36}$/);
      await response.text();
    }
  }
  seen.close(3 * requests.length);
});

test('A7 a body of unknown length', FAST, async (stage) => {
  const text = JSON.stringify({ model: 'demo', messages: said('größer '.repeat(10_000)) });
  const body = new ReadableStream({
    start(controller) {
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length; at += 1001) controller.enqueue(bytes.subarray(at, at + 1001));
      controller.close();
    },
  });
  const response = await fetch(`${stage.url}/v1/chat/completions`, post({}, { body, duplex: 'half' }));
  assert.equal(response.status, 200);
  assert.equal((await response.json()).choices[0].message.content, answerTo('größer '.repeat(10_000)));
});

test('D1 a stream is framed as the backend framed it', FAST, async (stage) => {
  const response = await fetch(`${stage.url}/v1/chat/completions`, post({ stream: true }));
  assert.match(response.headers.get('content-type'), /^text\/event-stream/);
  assert.equal(response.headers.get('content-length'), null);
  const events = (await response.text()).split('\n\n');
  assert.deepEqual(events.slice(-2), ['data: [DONE]', '']);
  assert.ok(events.slice(0, -2).every((event) => JSON.parse(event.slice('data: '.length)).id !== undefined));
});

for (const { name, connect: client, ask, stream } of dialects) {
  test(`A7 ${name}: connections are kept`, FAST, async (stage) => {
    const seen = await counter(stage);
    const sdk = client(seen);
    for (let i = 0; i < 5; i++) {
      assert.equal(await ask(sdk, `whole ${i}`), answerTo(`whole ${i}`));
      assert.equal(await collect(stream(sdk, `streamed ${i}`)), answerTo(`streamed ${i}`));
      await assert.rejects(ask(sdk, 'x', {}, 'none'));
    }
    seen.close(15);
  });
}

test('A7 connections are kept by models, embeddings and count_tokens', FAST, async (stage) => {
  const seen = await counter(stage);
  for (let i = 0; i < 3; i++) {
    await openai(seen).models.retrieve('demo');
    await openai(seen).embeddings.create({ model: 'demo', input: 'x' });
    await anthropic(seen).models.list();
    await anthropic(seen).messages.countTokens({ model: 'demo', messages: said('x') });
  }
  seen.close(12);
});
