// SPDX-License-Identifier: MIT
// Elements made and updated. Text is always text: nothing is ever parsed as HTML.

/**
 * An element. Attributes whose names begin with "on" are listeners; true stands for an empty value; null, undefined and
 * false are left out. Children are nodes, texts, numbers, or arrays of them.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Gives `element` exactly these children. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Sets a text only when it differs, so that screen readers and selections are left in peace. */
export function setText(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}
