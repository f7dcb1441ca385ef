// SPDX-License-Identifier: MIT
//
// What a client's going away does behind the relay: the backend stops, and the slot is free again. And that many
// clients at a time do not get in each other's way.

import assert from 'node:assert/strict';

import { test } from './lib/tap.mjs';
import { LONG, OpenAI, anthropic, answerTo, collect, dialects, occupy, openai, said } from './lib/dialects.mjs';

const ONE_SLOT = { backend: ['--slots', '1', '--tokens-per-second', '50'], worker: ['--max-concurrency', '1'] };
const PARALLEL = 20;

const cancelled = (path) => new RegExp(`request ${path} outcome=cancelled`);
const completed = (path) => new RegExp(`request ${path} outcome=completed`);

/** Reads a stream until so many pieces came, calls the function, and goes on to the end. */
async function readAndThen(pieces, n, act) {
  let text = '';
  let count = 0;
  for await (const piece of pieces) {
    text += piece;
    if (++count === n) act();
  }
  return text;
}

/** The only slot there is takes the next request. */
async function slotIsFree(stage, dialect) {
  assert.equal(await dialect.ask(dialect.connect(stage), 'next'), answerTo('next'));
}

for (const dialect of dialects) {
  test(`E2 ${dialect.name}: an aborted stream stops the backend`, ONE_SLOT, async (stage) => {
    const abort = new AbortController();
    const pieces = dialect.stream(dialect.connect(stage), LONG, { signal: abort.signal });
    const text = await readAndThen(pieces, 3, () => abort.abort());
    assert.ok(text.length > 0 && text.length < LONG.length && answerTo(LONG).startsWith(text), text);
    await stage.backend.logged(cancelled(dialect.path));
    await slotIsFree(stage, dialect);
  });

  test(`E2 ${dialect.name}: a stream that is left stops the backend`, ONE_SLOT, async (stage) => {
    for await (const piece of dialect.stream(dialect.connect(stage), LONG)) {
      assert.ok(piece.length > 0);
      break;
    }
    await stage.backend.logged(cancelled(dialect.path));
    await slotIsFree(stage, dialect);
  });

  test(`E2 ${dialect.name}: an aborted whole answer stops the backend`, ONE_SLOT, async (stage) => {
    const abort = new AbortController();
    const answer = dialect.ask(dialect.connect(stage), LONG, { signal: abort.signal });
    const refused = assert.rejects(answer, dialect.sdk.APIUserAbortError);
    await stage.workers[0].logged(/forwarding request/);
    abort.abort();
    await refused;
    await stage.relay.logged(/client disconnected .*state=dispatched/);
    await slotIsFree(stage, dialect);
    await stage.backend.logged(completed(dialect.path));
  });

  test(`E2 ${dialect.name}: an aborted waiting request leaves the queue`, ONE_SLOT, async (stage) => {
    const running = await occupy(stage, dialect);
    const abort = new AbortController();
    const waiting = dialect.ask(dialect.connect(stage), 'waiting', { signal: abort.signal });
    const refused = assert.rejects(waiting, dialect.sdk.APIUserAbortError);
    await stage.waiting(1);
    abort.abort();
    await refused;
    await stage.relay.logged(/client disconnected .*state=queued/);
    await stage.waiting(0);
    assert.equal(stage.backend.count(cancelled(dialect.path)), 0);
    await running.abort();
    await stage.backend.logged(cancelled(dialect.path));
    await slotIsFree(stage, dialect);
    assert.equal(stage.relay.count(/request dispatched/), 2);
  });

  test(`E2 ${dialect.name}: the SDK's own timeout stops the backend`, ONE_SLOT, async (stage) => {
    const client = dialect.connect(stage, { timeout: 300 });
    await assert.rejects(dialect.ask(client, LONG), dialect.sdk.APIConnectionTimeoutError);
    await stage.relay.logged(/client disconnected .*state=dispatched/);
    await slotIsFree(stage, dialect);
  });

  const FOUR = { backend: ['--slots', '4', '--tokens-per-second', '200'], worker: ['--max-concurrency', '4'] };
  test(`D1 ${dialect.name}: ${PARALLEL} streams at a time, each its own answer`, FOUR, async (stage) => {
    const client = dialect.connect(stage);
    const prompts = Array.from({ length: PARALLEL }, (_, i) => `prompt ${i} ${String.fromCodePoint(0x1f600 + i)}`);
    const answers = await Promise.all(prompts.map((prompt) => collect(dialect.stream(client, prompt))));
    assert.deepEqual(answers, prompts.map(answerTo));
    await stage.backend.logged(completed(dialect.path), PARALLEL);
  });
}

const WAITING_IN_THE_BACKEND = { backend: ONE_SLOT.backend, worker: ['--max-concurrency', '2'] };

test('E2 a request that waits for a slot of the backend is cancelled there', WAITING_IN_THE_BACKEND, async (stage) => {
  const client = openai(stage);
  const [first, second] = [new AbortController(), new AbortController()];
  const body = { model: 'demo', messages: said(LONG), stream: true };
  const stream = await client.chat.completions.create(body, { signal: first.signal });
  const refused = assert.rejects(client.chat.completions.create(body, { signal: second.signal }),
                                 OpenAI.APIUserAbortError);
  await stage.workers[0].logged(/forwarding request/, 2);
  second.abort();
  await refused;
  await stage.workers[0].logged(/cancelled/);
  first.abort();
  for await (const chunk of stream) assert.equal(chunk.object, 'chat.completion.chunk');
  await stage.backend.logged(cancelled('/v1/chat/completions'), 2);
});

test('E2 abort() of the stream helper of anthropic', ONE_SLOT, async (stage) => {
  const stream = anthropic(stage).messages.stream({ model: 'demo', max_tokens: 1_000_000, messages: said(LONG) });
  stream.once('text', () => stream.abort());
  await assert.rejects(stream.finalMessage(), { message: 'Request was aborted.' });
  assert.ok(stream.aborted);
  await stage.backend.logged(cancelled('/v1/messages'));
});

test('E2 abort() of the stream helper of openai', ONE_SLOT, async (stage) => {
  const stream = openai(stage).chat.completions.stream({ model: 'demo', messages: said(LONG) });
  stream.once('content', () => stream.abort());
  await assert.rejects(stream.finalChatCompletion(), OpenAI.APIUserAbortError);
  await stage.backend.logged(cancelled('/v1/chat/completions'));
});
