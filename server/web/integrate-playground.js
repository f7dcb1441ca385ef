// SPDX-License-Identifier: MIT
// A conversation with a model through this relay: sends, streams, stops, and says in words what went wrong. What the
// APIs look like is in integrate-apis.js.

import { readEvents, send } from './api.js';
import { fill, h, setText } from './dom.js';
import { formatDuration, formatNumber, n, t } from './i18n.js';
import { APIS } from './integrate-apis.js';

/** A stream that did not come to its end. The message is what the other side said, if it said anything. */
class BrokenStream extends Error {}

/** What happened, in words. */
function describe(error) {
  if (error.name === 'AbortError') return t('Stopped.');
  const { message: problem, status } = error;
  if (error instanceof BrokenStream && problem) return t('The answer broke off: {problem}', { problem });
  if (status === 0) return t('The relay cannot be reached.');
  if (status) return t('No answer: {problem} (status {status})', { problem, status });
  return t('The connection broke before the answer was complete.');
}

/** One answer as it comes: its place on the page, and when its parts came. */
class Answer {
  constructor(model) {
    this.text = '';
    this.sentAt = performance.now();
    this.thoughts = h('div', { class: 'thoughts' });
    this.thinking = h('details', { hidden: true }, h('summary', {}, t('Thoughts')), this.thoughts);
    this.words = h('div', { class: 'words' });
    this.problem = h('p', { class: 'problem' });
    this.element = h('div', { class: 'turn answer' },
      h('p', { class: 'who' }, model), this.thinking, this.words, this.problem);
  }

  take(part) {
    if (part.problem) throw new BrokenStream(part.problem);
    if (part.text || part.thinking) {
      this.firstAt ??= performance.now();
      this.lastAt = performance.now();
    }
    if (part.thinking) {
      this.thinking.hidden = false;
      this.thoughts.append(part.thinking);
    }
    if (part.text) {
      this.text += part.text;
      this.words.append(part.text);
    }
    this.outputTokens = part.outputTokens ?? this.outputTokens;
    this.cut ||= Boolean(part.cut);
    this.ended ||= Boolean(part.end);
  }

  figures() {
    const seconds = (this.lastAt - this.firstAt) / 1000;
    const rate = (this.outputTokens - 1) / seconds;
    return [
      this.firstAt && t('{time} to the first word', { time: formatDuration(this.firstAt - this.sentAt) }),
      this.outputTokens !== undefined && n('{n} token', '{n} tokens', this.outputTokens),
      rate > 0 && seconds > 0 && t('{rate} tokens/s', { rate: formatNumber(rate) }),
      this.worker && t('Worker: {name}', { name: this.worker }),
    ].filter(Boolean);
  }
}

export class Playground {
  constructor(settings) {
    this.settings = settings;
    this.turns = [];
    this.talk = h('div', { class: 'talk', role: 'group', 'aria-label': t('Conversation'), tabindex: 0, hidden: true });
    this.state = h('p', { class: 'state', role: 'status' });
    this.figures = h('p', { class: 'quiet figures' });
    this.element = h('section', { class: 'card playground', 'aria-labelledby': 'playground' },
      h('h2', { id: 'playground' }, t('Playground')), this.talk, this.state, this.figures, this.makeForm());
  }

  makeForm() {
    this.prompt = h('textarea', { id: 'prompt', rows: 3, required: true, 'aria-describedby': 'prompt-help',
      onkeydown: (event) => this.typed(event) });
    this.send = h('button', { type: 'submit', class: 'primary' }, t('Send'));
    this.stop = h('button', { type: 'button', class: 'danger', hidden: true, onclick: () => this.running?.abort() },
      t('Stop'));
    this.form = h('form', { onsubmit: (event) => this.submitted(event) },
      h('label', { for: 'prompt' }, t('Prompt')), this.prompt,
      h('p', { class: 'help', id: 'prompt-help' }, t('Enter sends, Shift and Enter begins a new line.')),
      this.makeOptions(),
      h('p', { class: 'buttons' }, this.send, this.stop,
        h('button', { type: 'button', onclick: () => this.begin() }, t('New conversation'))));
    // A field that is wrong must be seen, or the browser cannot point at it.
    this.form.addEventListener('invalid', (event) => event.target.closest('details')?.setAttribute('open', ''), true);
    return this.form;
  }

  makeOptions() {
    this.api = h('select', { id: 'api' }, Object.entries(APIS).map(([id, api]) =>
      h('option', { value: id }, `${api.name} (${api.path})`)));
    this.system = h('textarea', { id: 'system', rows: 2 });
    this.maxTokens = h('input', { id: 'max-tokens', type: 'number', min: 1, step: 1, inputmode: 'numeric' });
    this.temperature = h('input', { id: 'temperature', type: 'number', min: 0, max: 2, step: 'any',
      inputmode: 'decimal' });
    const field = (label, input) => h('div', { class: 'field' }, h('label', { for: input.id }, label), input);
    return [
      field(t('API'), this.api),
      h('details', { class: 'options' }, h('summary', {}, t('Options')),
        field(t('System prompt'), this.system),
        h('div', { class: 'pair' }, field(t('At most so many tokens'), this.maxTokens),
          field(t('Temperature, 0 to 2'), this.temperature)),
        h('p', { class: 'help' }, t('What is left empty is up to the model server.'))),
    ];
  }

  typed(event) {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!this.running) this.form.requestSubmit();
  }

  submitted(event) {
    event.preventDefault();
    const prompt = this.prompt.value.trim();
    if (!prompt || this.running) return;
    if (this.settings.obstacle) setText(this.state, this.settings.obstacle);
    else this.ask(prompt);
  }

  begin() {
    this.running?.abort();
    this.turns = [];
    this.conversation = {};
    fill(this.talk);
    this.talk.hidden = true;
    setText(this.state, '');
    setText(this.figures, '');
    this.prompt.focus();
  }

  async ask(prompt) {
    const conversation = (this.conversation ??= {});
    const { model } = this.settings.filled;
    const answer = new Answer(model);
    const question = h('div', { class: 'turn question' },
      h('p', { class: 'who' }, t('You')), h('div', { class: 'words' }, prompt));
    const turns = [...this.turns, { role: 'user', content: prompt }];
    this.running = new AbortController();
    this.setBusy(true);
    this.talk.hidden = false;
    this.talk.append(question, answer.element);
    this.talk.scrollTop = this.talk.scrollHeight;
    this.prompt.value = '';
    setText(this.figures, '');
    setText(this.state, t('Waiting for the first word …'));
    const problem = await this.stream(answer, { model, turns }).then(() => null, (error) => error);
    this.running.abort();
    this.running = null;
    this.setBusy(false);
    // After "New conversation" this answer belongs to none.
    if (conversation === this.conversation) this.finish(answer, turns, prompt, problem);
  }

  finish(answer, turns, prompt, problem) {
    const stopped = problem?.name === 'AbortError';
    if (answer.text && (!problem || stopped)) this.turns = [...turns, { role: 'assistant', content: answer.text }];
    else if (!this.prompt.value) this.prompt.value = prompt;
    if (problem && !stopped) setText(answer.problem, describe(problem));
    setText(this.figures, answer.figures().join(' · '));
    if (problem) setText(this.state, describe(problem));
    else setText(this.state, answer.cut ? t('The answer is as long as it may be.') : t('The answer is complete.'));
  }

  async stream(answer, { model, turns }) {
    const api = APIS[this.api.value];
    const number = (field) => (field.value === '' ? undefined : Number(field.value));
    const body = api.body({ model, turns, system: this.system.value.trim(), maxTokens: number(this.maxTokens),
      temperature: number(this.temperature) });
    const key = this.settings.key.used;
    const { signal } = this.running;
    const response = await send(api.path, { method: 'POST', body, key, headers: api.headers, signal });
    answer.worker = response.headers.get('x-modelrelay-worker');
    try {
      for await (const event of readEvents(response)) {
        answer.take(api.read(event));
        this.follow(answer);
      }
    } catch (error) {
      // A connection that closes untidily after the end has done no harm.
      if (!answer.ended || error.name === 'AbortError') throw error;
    }
    if (!answer.ended) throw new BrokenStream();
  }

  /** Keeps the newest words in sight, unless the reader has scrolled up. */
  follow(answer) {
    if (answer.firstAt) setText(this.state, t('The answer is coming …'));
    const below = this.talk.scrollHeight - this.talk.scrollTop - this.talk.clientHeight;
    if (below < 80) this.talk.scrollTop = this.talk.scrollHeight;
  }

  setBusy(busy) {
    const focused = document.activeElement;
    this.send.hidden = busy;
    this.stop.hidden = !busy;
    if (busy && focused === this.send) this.stop.focus();
    if (!busy && focused === this.stop) this.prompt.focus();
  }
}
