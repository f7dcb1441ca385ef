// SPDX-License-Identifier: MIT
//
// A worker link against the npm package ws, both ways: the link as the server of a ws client, and as the client of a
// ws server. The link runs in the program link-peer (tests/transport/link-peer.c), whose path is the only argument.
// Emits TAP.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const WAIT_MS = 60_000;
const PATTERN = 'aü€💩';
const FLOOD = 200_000;
const MAX_GAP_MS = 50;

let WebSocket, WebSocketServer;
try {
  ({ WebSocket, WebSocketServer } = await import('ws'));
} catch (error) {
  console.log('Bail out! tests/npm/node_modules is missing: run "npm ci" in tests/npm (scripts/bootstrap does)');
  console.error(error.message);
  process.exit(1);
}

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited too long for ${what}`)), WAIT_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// The program with the link; its events in order.
class LinkPeer {
  constructor(...args) {
    this.process = spawn(process.argv[2], args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.events = [];
    this.waiting = [];
    this.exited = once(this.process, 'exit');
    createInterface({ input: this.process.stdout }).on('line', (line) => {
      const event = JSON.parse(line);
      if (this.waiting.length > 0) this.waiting.shift()(event);
      else this.events.push(event);
    });
  }

  async next(name) {
    const event = this.events.length > 0
      ? this.events.shift()
      : await within(new Promise((resolve) => this.waiting.push(resolve)), `the link's "${name}"`);
    assert.equal(event.event, name, JSON.stringify(event));
    return event;
  }

  tell(command) {
    this.process.stdin.write(`${command}\n`);
  }

  async end() {
    this.process.stdin.end();
    const [code, signal] = await within(this.exited, 'the exit of link-peer');
    assert.deepEqual([code, signal], [0, null]);
    assert.deepEqual(this.events, []);
  }
}

const sha256 = (text) => createHash('sha256').update(text).digest('hex');

const SECRET = 'correct horse';

// Two ends that are open: { link, ws, end(), text(payload), payload(text) }.
const directions = {
  server: async () => {
    const link = new LinkPeer('serve');
    const { port } = await link.next('listening');
    const ws = new WebSocket(`ws://127.0.0.1:${port}/v1/worker/connect`, { perMessageDeflate: true });
    await within(once(ws, 'open'), 'the upgrade');
    await link.next('open');
    return {
      link,
      ws,
      end: () => link.end(),
      text: (payload) => JSON.stringify({ type: 'response_chunk', request_id: 'r', chunk: payload }),
      payload: (text) => JSON.parse(text).body,
      protocolReason: 'worker registration protocol error',
    };
  },
  client: async () => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: true, maxPayload: 2 ** 27 });
    await once(server, 'listening');
    const connected = once(server, 'connection');
    const link = new LinkPeer('connect', `http://127.0.0.1:${server.address().port}/relay/`, SECRET);
    const [ws, request] = await within(connected, 'the upgrade');
    await link.next('open');
    return {
      link,
      ws,
      request,
      end: async () => {
        await link.end();
        server.close();
      },
      text: (payload) => JSON.stringify({
        type: 'request',
        request_id: 'r',
        model: 'm',
        endpoint_path: '/v1/chat/completions',
        is_streaming: false,
        body: payload,
      }),
      payload: (text) => JSON.parse(text).chunk,
      protocolReason: 'protocol error',
    };
  },
};

async function linkGets(pair, payload) {
  const event = await pair.link.next('message');
  assert.equal(event.bytes, Buffer.byteLength(payload));
  assert.equal(event.sha256, sha256(payload));
}

// To be called before the end; what it returns waits until both sides have said how the connection ended.
function bothClose(pair, code, reason) {
  pair.ws.on('error', () => {});
  const closed = once(pair.ws, 'close');
  return async () => {
    const [wsCode, wsReason] = await within(closed, 'the close of ws');
    assert.deepEqual([wsCode, wsReason.toString()], [code, reason]);
    const event = await pair.link.next('closed');
    assert.deepEqual([event.code, event.reason], [code, reason]);
  };
}

const payloadOf = (bytes) => PATTERN.repeat(Math.floor(bytes / 10)) + 'x'.repeat(bytes % 10);

// Run once in each direction.
const tests = {
  'no extension is negotiated though permessage-deflate is offered': async (pair) => {
    assert.equal(pair.ws.extensions, '');
    if (pair.request !== undefined) {
      assert.equal(pair.request.url, '/relay/v1/worker/connect?provider=local');
      assert.equal(pair.request.headers['x-worker-secret'], SECRET);
      assert.match(pair.request.headers['user-agent'], /^modelrelay-worker\/\d/);
      assert.equal(pair.request.headers['sec-websocket-extensions'], undefined);
    }
  },

  'messages of all lengths arrive at the link': async (pair) => {
    for (const bytes of [0, 1, 10, 60, 125, 126, 127, 300, 65_400, 65_535, 65_536, 70_000]) {
      pair.ws.send(pair.text(payloadOf(bytes)));
      await linkGets(pair, payloadOf(bytes));
    }
  },

  'messages of all lengths arrive from the link': async (pair) => {
    for (const bytes of [0, 1, 10, 40, 41, 60, 125, 126, 127, 300, 65_400, 65_535, 65_536, 70_000]) {
      const message = once(pair.ws, 'message');
      pair.link.tell(`send ${bytes}`);
      const [data, isBinary] = await within(message, 'a message');
      assert.equal(isBinary, false);
      assert.equal(pair.payload(data), payloadOf(bytes));
    }
  },

  'fragments, one cut inside a character, with control frames between': async (pair) => {
    const payload = payloadOf(1000);
    const bytes = Buffer.from(pair.text(payload));
    const cut = bytes.indexOf(Buffer.from('💩')) + 2;
    const pong = once(pair.ws, 'pong');
    pair.ws.send(bytes.subarray(0, cut), { binary: false, fin: false });
    pair.ws.ping('between');
    pair.ws.send(bytes.subarray(cut, cut + 1), { binary: false, fin: false });
    pair.ws.pong('unasked');
    pair.ws.send(Buffer.alloc(0), { binary: false, fin: false });
    pair.ws.send(bytes.subarray(cut + 1), { binary: false, fin: true });
    await linkGets(pair, payload);
    assert.equal((await within(pong, 'a pong'))[0].toString(), 'between');
  },

  'a ping is answered with its own payload': async (pair) => {
    for (const payload of ['', 'hello', 'x'.repeat(125)]) {
      const pong = once(pair.ws, 'pong');
      pair.ws.ping(payload);
      assert.equal((await within(pong, 'a pong'))[0].toString(), payload);
    }
  },

  'a message of 4 MiB in each direction': async (pair) => {
    const bytes = 4 * 1024 * 1024;
    pair.ws.send(pair.text(payloadOf(bytes)));
    await linkGets(pair, payloadOf(bytes));
    const message = once(pair.ws, 'message');
    pair.link.tell(`send ${bytes}`);
    assert.equal(pair.payload((await within(message, 'a message'))[0]), payloadOf(bytes));
  },

  'ws closes with code and reason': async (pair) => {
    const closed = bothClose(pair, 3001, 'Grüße');
    pair.ws.close(3001, 'Grüße');
    await closed();
  },

  'ws closes without a code': async (pair) => {
    const closed = bothClose(pair, 1005, '');
    pair.ws.close();
    await closed();
  },

  'the link closes with code and reason': async (pair) => {
    const closed = bothClose(pair, 1008, 'worker authentication failed');
    pair.link.tell('close 1008 worker authentication failed');
    await closed();
  },

  'the link closes with a reason that is too long': async (pair) => {
    const closed = bothClose(pair, 1000, '€'.repeat(41));
    pair.link.tell(`close 1000 ${'€'.repeat(60)}`);
    await closed();
  },

  'ws goes without a word': async (pair) => {
    const closed = bothClose(pair, 1006, '');
    pair.ws.terminate();
    await closed();
  },

  'a message above the cap is refused with 1009': async (pair) => {
    const closed = bothClose(pair, 1009, 'message too big');
    pair.link.tell('max 1000');
    pair.link.tell('quiet');
    await pair.link.next('quiet');
    pair.ws.send('x'.repeat(1001));
    await closed();
  },

  'fragments above the cap are refused with 1009': async (pair) => {
    const closed = bothClose(pair, 1009, 'message too big');
    pair.link.tell('max 1000');
    pair.link.tell('quiet');
    await pair.link.next('quiet');
    pair.ws.send('x'.repeat(600), { fin: false });
    pair.ws.send('x'.repeat(600), { fin: false });
    await closed();
  },

  'text that is not UTF-8 is refused with 1007': async (pair) => {
    const closed = bothClose(pair, 1007, 'invalid UTF-8');
    pair.ws.send(Buffer.from([0x22, 0xc3, 0x28, 0x22]), { binary: false });
    await closed();
  },

  'fragments that end inside a character are refused with 1007': async (pair) => {
    const closed = bothClose(pair, 1007, 'invalid UTF-8');
    pair.ws.send(Buffer.from('"'), { binary: false, fin: false });
    pair.ws.send(Buffer.from([0xf0, 0x9f, 0x92]), { binary: false, fin: true });
    await closed();
  },

  'a binary message is refused with 1002': async (pair) => {
    const closed = bothClose(pair, 1002, pair.protocolReason);
    pair.ws.send(Buffer.from(pair.text('x')));
    await closed();
  },

  'a message that is no JSON is refused with 1002': async (pair) => {
    const closed = bothClose(pair, 1002, pair.protocolReason);
    pair.ws.send('hello');
    await closed();
  },

  'a frame with the wrong masking is refused with 1002': async (pair) => {
    const closed = bothClose(pair, 1002, pair.protocolReason);
    const payload = Buffer.from(pair.text(''));
    const masked = pair.request !== undefined; // from the server, which must not
    assert.ok(payload.length < 126);
    const head = Buffer.from(masked ? [0x81, 0x80 | payload.length, 0, 0, 0, 0] : [0x81, payload.length]);
    pair.ws._socket.write(Buffer.concat([head, payload]));
    await closed();
  },

  'a compressed frame is refused with 1002': async (pair) => {
    const closed = bothClose(pair, 1002, pair.protocolReason);
    const masked = pair.request === undefined;
    pair.ws._socket.write(Buffer.from(masked ? [0xc1, 0x80, 0, 0, 0, 0] : [0xc1, 0x00]));
    await closed();
  },

  [`a timer keeps firing in a flood of ${FLOOD} messages`]: async (pair, note) => {
    const text = pair.text('data: {"choices":[{"delta":{"content":"token"}}]}\n\n');
    const last = pair.request === undefined ? '{"type":"pong","current_load":0}' : '{"type":"ping"}';
    pair.link.tell('quiet');
    await pair.link.next('quiet');
    const start = process.hrtime.bigint();
    for (let i = 0; i < FLOOD; i++) {
      pair.ws.send(text);
      if (i % 1000 === 999 && pair.ws.bufferedAmount > 4 * 1024 * 1024) {
        await within(new Promise((resolve) => pair.ws.send(text, resolve)), 'room in the flood');
        i++;
      }
    }
    pair.ws.send(last);
    const event = await pair.link.next('message');
    const seconds = Number(process.hrtime.bigint() - start) / 1e9;
    note(`${FLOOD} messages in ${seconds.toFixed(2)} s; largest gap of a 1 ms timer: ${event.gap_ms} ms by the ` +
         `clock, ${event.cpu_gap_ms} ms of the program's own CPU time`);
    assert.equal(event.messages, FLOOD + 1);
    // Our own CPU time, because only that tells a loop that does not return from a machine that is busy elsewhere.
    assert.ok(event.cpu_gap_ms < MAX_GAP_MS, `the timer waited ${event.cpu_gap_ms} ms`);
  },
};

console.log(`1..${Object.keys(tests).length * Object.keys(directions).length}`);
let number = 0;
let failures = 0;
for (const [direction, open] of Object.entries(directions)) {
  for (const [name, test] of Object.entries(tests)) {
    let pair;
    number++;
    try {
      pair = await open();
      await test(pair, (note) => console.log(`# ${note}`));
      if (pair.ws.readyState === WebSocket.OPEN) {
        const closed = bothClose(pair, 1000, '');
        pair.ws.close(1000);
        await closed();
      }
      await pair.end();
      console.log(`ok ${number} - link as ${direction}: ${name}`);
    } catch (error) {
      failures++;
      pair?.link.process.kill('SIGKILL');
      console.log(`not ok ${number} - link as ${direction}: ${name}`);
      console.log(error.stack.replace(/^/gm, '# '));
    }
  }
}
process.exit(failures > 0 ? 1 : 0);
