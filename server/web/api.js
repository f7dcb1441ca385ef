// SPDX-License-Identifier: MIT
// The relay's HTTP API as the pages use it. Secrets live in this tab's session storage and in headers, never in a URL.

const TOKEN = 'modelrelay-admin-token';

export const adminToken = () => sessionStorage.getItem(TOKEN);
export const setAdminToken = (token) => (token ? sessionStorage.setItem(TOKEN, token) : sessionStorage.removeItem(TOKEN));

/** What the relay, or the way to it, said instead of an answer. status is 0 when the relay cannot be reached. */
export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Sends a request; returns the Response of a success. key: of the client API, else the admin token goes along. */
export async function send(path, { method = 'GET', body, key, headers = {}, signal } = {}) {
  const secret = key ?? adminToken();
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: {
        ...(secret ? { Authorization: `Bearer ${secret}` } : {}),
        ...(body !== undefined ? { 'Content-Type': 'application/json' } : {}),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: 'no-store',
      credentials: 'omit',
      signal,
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, 'unreachable', error.message);
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw new ApiError(answer.status, problem.error?.code ?? problem.error?.type, problem.error?.message ?? answer.statusText);
}

/** The JSON of an answer; null for one without content. */
export async function ask(path, options) {
  const answer = await send(path, options);
  return answer.status === 204 ? null : answer.json();
}

/** All entries of a list that comes in pages. */
export async function askAll(path, member) {
  const entries = [];
  let after = null;
  do {
    const query = new URLSearchParams({ limit: 1000, ...(after === null ? {} : { after }) });
    const page = await ask(`${path}${path.includes('?') ? '&' : '?'}${query}`);
    entries.push(...page[member]);
    after = page.next;
  } while (after !== null && after !== undefined);
  return entries;
}

/** Server-Sent Events of a Response, as {event, data, id}; data is text. EventSource cannot send a token. */
export async function* readEvents(answer) {
  // Not through a TextDecoderStream: it would drop what it holds when the connection breaks.
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  let entry = {};
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    // A carriage return at the end may have its line feed in the next piece.
    const lines = (rest + decoder.decode(value, { stream: true })).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (entry.data !== undefined) yield entry;
        entry = {};
        continue;
      }
      const [, name, text] = /^([^:]*):? ?(.*)$/.exec(line);
      if (name === 'data') entry.data = entry.data === undefined ? text : `${entry.data}\n${text}`;
      else if (name === 'event' || name === 'id') entry[name] = text;
    }
  }
}
