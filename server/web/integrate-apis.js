// SPDX-License-Identifier: MIT
// The three APIs that a conversation can be held in: what a request says, and what the events of the answer mean. Pure.

/**
 * body({model, system, turns, maxTokens, temperature}): turns are {role, content}; maxTokens and temperature may be
 * undefined.
 * read(event): what one event of the stream says, of text, thinking (what the model writes before its answer),
 * outputTokens, cut (the answer hit the token limit), end, problem (a sentence of whoever made the error).
 */
export const APIS = {
  chat: { name: 'Chat completions', path: '/v1/chat/completions', body: chatBody, read: readChat },
  messages: {
    name: 'Messages',
    path: '/v1/messages',
    headers: { 'anthropic-version': '2023-06-01' },
    body: messagesBody,
    read: readMessages,
  },
  responses: { name: 'Responses', path: '/v1/responses', body: responsesBody, read: readResponses },
};

/** Messages must say how long the answer may be. */
const MESSAGES_MAX_TOKENS = 4096;

function chatBody({ model, system, turns, maxTokens, temperature }) {
  return {
    model,
    messages: [...(system ? [{ role: 'system', content: system }] : []), ...turns],
    max_tokens: maxTokens,
    temperature,
    stream: true,
    stream_options: { include_usage: true },
  };
}

function readChat({ data }) {
  if (data === '[DONE]') return { end: true };
  const { choices: [choice] = [], usage, error } = JSON.parse(data);
  return {
    text: choice?.delta?.content,
    thinking: choice?.delta?.reasoning_content ?? choice?.delta?.reasoning,
    outputTokens: usage?.completion_tokens,
    cut: choice?.finish_reason === 'length',
    problem: problemOf(error),
  };
}

function messagesBody({ model, system, turns, maxTokens = MESSAGES_MAX_TOKENS, temperature }) {
  return { model, system: system || undefined, messages: turns, max_tokens: maxTokens, temperature, stream: true };
}

function readMessages({ data }) {
  const { type, delta, usage, error } = JSON.parse(data);
  return {
    text: delta?.text,
    thinking: delta?.thinking,
    outputTokens: type === 'message_delta' ? usage?.output_tokens : undefined,
    cut: delta?.stop_reason === 'max_tokens',
    end: type === 'message_stop',
    problem: problemOf(error),
  };
}

function responsesBody({ model, system, turns, maxTokens, temperature }) {
  return {
    model,
    instructions: system || undefined,
    input: turns,
    max_output_tokens: maxTokens,
    temperature,
    store: false,
    stream: true,
  };
}

function readResponses({ data }) {
  const { type, delta, response, error, message } = JSON.parse(data);
  return {
    text: type === 'response.output_text.delta' ? delta : undefined,
    thinking: /^response\.reasoning.*\.delta$/.test(type) ? delta : undefined,
    outputTokens: response?.usage?.output_tokens,
    cut: type === 'response.incomplete',
    end: type === 'response.completed' || type === 'response.incomplete',
    problem: problemOf(error ?? response?.error ?? (type === 'error' ? { message } : null)),
  };
}

/** The sentence of an error, whatever shape it has; undefined for none. */
function problemOf(error) {
  if (!error) return undefined;
  return String(error.message ?? error.code ?? error.type ?? JSON.stringify(error));
}
