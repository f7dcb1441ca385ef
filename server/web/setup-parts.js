// SPDX-License-Identifier: MIT
// The pieces that the wizard's steps are made of: commands to copy, fields that are checked, choices.

import { h, setText } from './dom.js';
import { t } from './i18n.js';
import { copyButton } from './shell.js';
import { CHECKS } from './setup-choices.js';

/** A command under the name `name`, which tests know it by. make: gives its text; '' hides it. */
export function command(wizard, name, caption, make) {
  const code = h('pre', { 'data-command': name, tabindex: 0, role: 'group', 'aria-label': caption });
  const box = h('div', { class: 'command' },
    h('div', { class: 'caption' }, h('p', {}, caption), copyButton(() => code.textContent)),
    code);
  wizard.watch(() => {
    const text = make(wizard.values);
    setText(code, text);
    box.hidden = text === '';
  });
  return box;
}

/** A text that follows the choices; '' hides it. */
export function following(wizard, make, attributes = {}) {
  const paragraph = h('p', attributes);
  wizard.watch(() => {
    const text = make(wizard.values);
    setText(paragraph, text);
    paragraph.hidden = text === '';
  });
  return paragraph;
}

/**
 * A field for one of the choices. What cannot be right is told at once and not taken over. An emptied field stands for
 * what is usual.
 */
export function choiceField(wizard, { name, label, help, problem, list }) {
  const id = `field-${name}`;
  const note = h('p', { class: 'problem', id: `${id}-problem`, role: 'alert' });
  const field = h('input', { id, name, spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off',
    list: list ?? null, 'aria-describedby': `${id}-problem ${id}-help`, oninput: take });
  // The relay may tell what is usual later than the page asks for it; what somebody is typing stays.
  wizard.watch(() => {
    const mine = document.activeElement === field || field.getAttribute('aria-invalid') === 'true';
    if (!mine) field.value = wizard.values[name];
  });
  function take() {
    const text = field.value.trim();
    const good = text === '' || CHECKS[name](text);
    field.setAttribute('aria-invalid', String(!good));
    setText(note, good ? '' : problem);
    if (good) wizard.set({ [name]: text });
  }
  return h('div', { class: 'field' }, h('label', { for: id }, label), field, note,
    h('p', { class: 'help', id: `${id}-help` }, help));
}

/** A field for a secret: it goes nowhere but into `take`. */
export function secretField({ id, label, help, value, take }) {
  const field = h('input', { id, type: 'password', autocomplete: 'off', spellcheck: 'false',
    'aria-describedby': `${id}-help`, oninput: () => take(field.value.trim()) });
  field.value = value;
  return h('div', { class: 'field' }, h('label', { for: id }, label), field,
    h('p', { class: 'help', id: `${id}-help` }, help));
}

/** One of several, as radio buttons. options: [[value, title, explanation]]; take: what choosing one does. */
export function choiceGroup(wizard, { name, legend, options, take }) {
  const items = options.map(([value, title, explanation]) => {
    const id = `${name}-${value}`;
    return h('div', { class: 'option' },
      h('input', { type: 'radio', name, id, value, checked: wizard.choices[name] === value,
        'aria-describedby': `${id}-help`, onchange: () => take(value) }),
      h('label', { for: id }, title),
      h('p', { class: 'help', id: `${id}-help` }, explanation));
  });
  return h('fieldset', { class: 'options' }, h('legend', {}, legend), items);
}

/** Who the worker belongs to: the machine, or one user without root. */
export const ownerChoice = (wizard, take) => choiceGroup(wizard, {
  name: 'who',
  legend: t('Who runs the worker?'),
  options: [
    ['system', t('The machine'), t('Starts at boot. Needs sudo.')],
    ['user', t('My user'), t('Needs no root; its settings are in my home directory.')],
  ],
  take: take ?? ((who) => wizard.set({ who })),
});

/** A button that is busy while what it does runs, and says what went wrong. */
export function actionButton(label, action, attributes = {}) {
  const problem = h('p', { class: 'problem', role: 'alert' });
  const button = h('button', { type: 'button', ...attributes, onclick: act }, label);
  async function act() {
    button.disabled = true;
    setText(problem, '');
    try {
      await action();
    } catch (error) {
      setText(problem, error.status === 0 ? t('The relay cannot be reached.') : error.message);
    }
    button.disabled = false;
  }
  return [h('p', { class: 'buttons' }, button), problem];
}
