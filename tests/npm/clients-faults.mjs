// SPDX-License-Identifier: MIT
//
// What the SDKs make of the relay's errors: their classes, their retries, and streams that break. Never may a broken
// stream look like one that ended.

import assert from 'node:assert/strict';

import { test } from './lib/tap.mjs';
import { LONG, anthropic, answerTo, collect, dialects, occupy, openai, said } from './lib/dialects.mjs';

const FAST = { backend: ['--tokens-per-second', '0'] };
const SLOW = { backend: ['--tokens-per-second', '100'] };
const SMALL = { ...FAST, relay: ['--max-request-size', '64K'] };
const SHORT_QUEUE = { ...SLOW, relay: ['--max-queue-len', '1'] };
const IMPATIENT = { ...SLOW, relay: ['--queue-timeout', '1'] };
const TWO_AT_A_TIME = { ...SLOW, worker: ['--max-concurrency', '2'] };

/** The error that the promise ends with, which must be of that class, status and code. */
async function failure(promise, { sdk, code, expects }, name, status, reason) {
  let error;
  await assert.rejects(promise, (thrown) => {
    error = thrown;
    return true;
  });
  assert.ok(error instanceof sdk[name], `${error.stack}`);
  assert.deepEqual([error.status, code(error)], [status, expects(reason)], error.message);
  return error;
}

/** A fetch for an SDK, and what it answered: status, Retry-After, and when. */
function recordingFetch() {
  const answers = [];
  const recording = async (...args) => {
    const response = await fetch(...args);
    const retryAfter = response.headers.get('retry-after');
    answers.push({ status: response.status, retryAfter, at: performance.now() });
    return response;
  };
  return { answers, fetch: recording };
}

/** Reads a stream to its error and checks that what came before is the beginning of the answer. */
async function breakStream(stage, dialect, act) {
  let text = '';
  let pieces = 0;
  let thrown;
  try {
    for await (const piece of dialect.stream(dialect.connect(stage), LONG)) {
      text += piece;
      if (++pieces === 5) act();
    }
  } catch (error) {
    thrown = error;
  }
  assert.ok(thrown !== undefined, `the stream ended as if it were whole, after ${text.length} characters`);
  assert.ok(pieces >= 5 && text.length < LONG.length && answerTo(LONG).startsWith(text), text);
  return thrown;
}

for (const dialect of dialects) {
  const { name, sdk, connect, ask } = dialect;

  test(`C6 ${name}: an unknown model`, FAST, async (stage) => {
    const answer = ask(connect(stage), 'Hello', {}, 'org/none:1b');
    const error = await failure(answer, dialect, 'NotFoundError', 404, 'model_not_found');
    assert.match(error.message, /demo/); // the models there are
  });

  test(`A5 ${name}: no model`, FAST, async (stage) => {
    const answer = ask(connect(stage), 'Hello', {}, null);
    await failure(answer, dialect, 'BadRequestError', 400, 'missing_model');
  });

  test(`A5 ${name}: a body that is too large`, SMALL, async (stage) => {
    const client = connect(stage);
    for (const bytes of [65_536, 300_000, 10_000_000]) {
      const error = await failure(ask(client, 'x'.repeat(bytes)), dialect, 'APIError', 413, 'request_too_large');
      assert.match(error.message, /65536|64/);
    }
    assert.equal(await ask(client, 'Hello'), answerTo('Hello'));
  });

  test(`A5 ${name}: a full queue is an error without retries`, SHORT_QUEUE, async (stage) => {
    const client = connect(stage);
    const running = await occupy(stage, dialect);
    const waiting = ask(client, 'waiting');
    await stage.waiting(1);
    const error = await failure(ask(client, 'refused'), dialect, 'RateLimitError', 429, 'queue_full');
    assert.equal(error.headers.get('retry-after'), '1');
    await running.abort();
    assert.equal(await waiting, answerTo('waiting'));
  });

  test(`A5 ${name}: a full queue is waited for as Retry-After says`, SHORT_QUEUE, async (stage) => {
    const { answers, fetch } = recordingFetch();
    const running = await occupy(stage, dialect);
    const waiting = ask(connect(stage), 'waiting');
    await stage.waiting(1);
    const retried = ask(connect(stage, { fetch, maxRetries: 10 }), 'retried');
    await stage.relay.logged(/queue full/);
    await running.abort();
    assert.equal(await waiting, answerTo('waiting'));
    assert.equal(await retried, answerTo('retried'));
    assert.ok(answers.length >= 2);
    const last = answers.pop();
    assert.equal(last.status, 200);
    for (const [i, { status, retryAfter, at }] of answers.entries()) {
      assert.deepEqual([status, retryAfter], [429, '1']);
      // The SDKs' own first pauses are shorter than that.
      assert.ok((answers[i + 1] ?? last).at - at >= 990, 'the retry came before its time');
    }
  });

  test(`C5 ${name}: the queue timeout`, IMPATIENT, async (stage) => {
    const running = await occupy(stage, dialect);
    const started = performance.now();
    await failure(ask(connect(stage), 'waiting'), dialect, 'InternalServerError', 504, 'queue_timeout');
    assert.ok(performance.now() - started >= 990, 'too early');
    await running.abort();
  });

  test(`F5 ${name}: the relay drains`, SLOW, async (stage) => {
    const client = connect(stage);
    const prompt = LONG.slice(0, 500);
    const running = collect(dialect.stream(client, prompt));
    await stage.relay.logged(/request dispatched/);
    const waiting = failure(ask(client, 'waiting'), dialect, 'InternalServerError', 503, 'shutting_down');
    await stage.waiting(1);
    stage.relay.terminate();
    assert.match((await waiting).headers.get('retry-after'), /^\d+$/);
    assert.equal(await running, answerTo(prompt));
    await stage.relay.finished();
  });

  test(`D4 F2 ${name}: the worker dies in a stream`, SLOW, async (stage) => {
    const thrown = await breakStream(stage, dialect, () => stage.workers[0].kill());
    assert.ok(thrown instanceof sdk.APIError, thrown.stack);
    assert.equal(dialect.code(thrown), dialect.expects('worker_lost'));
    await stage.addWorker();
    assert.equal(await ask(connect(stage), 'again'), answerTo('again'));
    assert.equal(stage.relay.count(/request dispatched/), 2); // never a replay
  });

  test(`F1 ${name}: the worker dies before the first byte`, SLOW, async (stage) => {
    const answer = ask(connect(stage), LONG.slice(0, 500));
    await stage.relay.logged(/request dispatched/);
    stage.workers[0].kill();
    await stage.addWorker();
    assert.equal(await answer, answerTo(LONG.slice(0, 500)));
    await stage.relay.logged(/request requeued/);
  });

  test(`D4 F3 ${name}: the backend dies in a stream`, SLOW, async (stage) => {
    const thrown = await breakStream(stage, dialect, () => stage.backend.kill());
    assert.ok(thrown instanceof sdk.APIError, thrown.stack);
    assert.equal(dialect.code(thrown), dialect.expects('backend_error'));
  });

  test(`A5 ${name}: the backend dies before the first byte`, SLOW, async (stage) => {
    const answer = ask(connect(stage), LONG);
    await stage.workers[0].logged(/forwarding request/);
    stage.backend.kill();
    await failure(answer, dialect, 'InternalServerError', 502, 'backend_error');
  });
}

test('A4 the backend\'s own errors, openai', FAST, async (stage) => {
  const client = openai(stage);
  const { BadRequestError } = client.constructor;
  await assert.rejects(client.chat.completions.create({ model: 'demo', messages: [] }), BadRequestError);
  const stream = client.chat.completions.create({ model: 'demo', messages: [], stream: true }); // D3
  await assert.rejects(stream, (error) => error instanceof BadRequestError && /'messages'/.test(error.message));
});

test('A4 the backend\'s own errors, anthropic', FAST, async (stage) => {
  const client = anthropic(stage);
  const { BadRequestError } = client.constructor;
  const body = { model: 'demo', max_tokens: 10, messages: [] };
  await assert.rejects(client.messages.create(body), BadRequestError);
  await assert.rejects(client.messages.create({ ...body, stream: true }),
                       (error) => error instanceof BadRequestError && error.type === 'invalid_request_error');
});

test('C6 models that are not there', FAST, async (stage) => {
  for (const client of [openai(stage), anthropic(stage)])
    await assert.rejects(client.models.retrieve('org/none:1b'), client.constructor.NotFoundError);
});

test('D4 the stream helpers fail when the worker dies', TWO_AT_A_TIME, async (stage) => {
  const body = { model: 'demo', messages: said(LONG) };
  const chat = openai(stage).chat.completions.stream(body);
  const message = anthropic(stage).messages.stream({ ...body, max_tokens: 1_000_000 });
  await Promise.all([chat.emitted('content'), message.emitted('text')]);
  stage.workers[0].kill();
  await assert.rejects(chat.finalChatCompletion(), (error) => error.code === 'worker_lost');
  await assert.rejects(message.finalMessage(), (error) => error.type === 'api_error');
});
