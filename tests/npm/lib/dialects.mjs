// SPDX-License-Identifier: MIT
//
// The two SDKs and the four APIs they speak, each behind the same few functions, for tests of what must be the same in
// all of them. What is special to one API is tested in clients-openai.mjs and clients-anthropic.mjs.

import { WAIT_MS } from './tap.mjs';

const MISSING = 'Bail out! tests/npm/node_modules is missing or old: run "npm ci" there, or scripts/bootstrap test';

async function load(name) {
  try {
    return (await import(name)).default;
  } catch (error) {
    console.log(MISSING);
    console.error(error.message);
    process.exit(1);
  }
}

export const OpenAI = await load('openai');
export const Anthropic = await load('@anthropic-ai/sdk');

const defaults = { apiKey: 'none', maxRetries: 0, timeout: WAIT_MS };

export const openai = (stage, options) => new OpenAI({ baseURL: `${stage.url}/v1`, ...defaults, ...options });
export const anthropic = (stage, options) => new Anthropic({ baseURL: stage.url, ...defaults, ...options });

/** What the demonstration backend answers. */
export const answerTo = (text) =>
  `This is ModelRelay's demonstration backend; no model is running. You said: ${text}`;

/** More than it says in a minute at 50 tokens a second; no part repeats, so a wrong prefix shows. */
export const LONG = Array.from({ length: 2000 }, (_, i) => `word${i}`).join(' ');

export const said = (text) => [{ role: 'user', content: text }];

const ANTHROPIC_TYPES = {
  backend_error: 'api_error',
  missing_model: 'invalid_request_error',
  model_not_found: 'not_found_error',
  queue_full: 'overloaded_error',
  queue_timeout: 'timeout_error',
  request_too_large: 'request_too_large',
  shutting_down: 'overloaded_error',
  worker_lost: 'api_error',
};

const openaiErrors = { sdk: OpenAI, connect: openai, code: (error) => error.code, expects: (code) => code };

/**
 * ask() gives the text of a whole answer, stream() its pieces; code() is the SDK's name for what an error was, and
 * expects() that name for one of the relay's error codes.
 */
export const dialects = [
  {
    ...openaiErrors,
    name: 'openai chat completions',
    path: '/v1/chat/completions',
    async ask(client, text, options, model = 'demo') {
      const answer = await client.chat.completions.create({ model, messages: said(text) }, options);
      return answer.choices[0].message.content;
    },
    async *stream(client, text, options) {
      const body = { model: 'demo', messages: said(text), stream: true };
      for await (const chunk of await client.chat.completions.create(body, options))
        if (chunk.choices[0].delta.content) yield chunk.choices[0].delta.content;
    },
  },
  {
    ...openaiErrors,
    name: 'openai completions',
    path: '/v1/completions',
    async ask(client, text, options, model = 'demo') {
      return (await client.completions.create({ model, prompt: text }, options)).choices[0].text;
    },
    async *stream(client, text, options) {
      const body = { model: 'demo', prompt: text, stream: true };
      for await (const chunk of await client.completions.create(body, options)) yield chunk.choices[0].text;
    },
  },
  {
    ...openaiErrors,
    name: 'openai responses',
    path: '/v1/responses',
    async ask(client, text, options, model = 'demo') {
      return (await client.responses.create({ model, input: text }, options)).output_text;
    },
    async *stream(client, text, options) {
      const body = { model: 'demo', input: text, stream: true };
      for await (const event of await client.responses.create(body, options))
        if (event.type === 'response.output_text.delta') yield event.delta;
    },
  },
  {
    sdk: Anthropic,
    connect: anthropic,
    code: (error) => error.type,
    expects: (code) => ANTHROPIC_TYPES[code],
    name: 'anthropic messages',
    path: '/v1/messages',
    async ask(client, text, options, model = 'demo') {
      const body = { model, messages: said(text), max_tokens: 1_000_000 };
      return (await client.messages.create(body, options)).content[0].text;
    },
    async *stream(client, text, options) {
      const body = { model: 'demo', messages: said(text), max_tokens: 1_000_000, stream: true };
      for await (const event of await client.messages.create(body, options))
        if (event.type === 'content_block_delta') yield event.delta.text;
    },
  },
];

/** Begins an answer that takes long and waits for its first piece: it has a slot until abort(). */
export async function occupy(stage, dialect) {
  const abort = new AbortController();
  const pieces = dialect.stream(dialect.connect(stage), LONG, { signal: abort.signal });
  await pieces.next();
  const ended = collect(pieces);
  return {
    async abort() {
      abort.abort();
      await ended;
    },
  };
}

/** All pieces of a stream as one text. */
export async function collect(pieces) {
  let text = '';
  for await (const piece of pieces) text += piece;
  return text;
}
