// SPDX-License-Identifier: MIT
// Names and keys of any characters, written so that a language reads them as they are; and the blocks that snippets are
// made of. Pure. What the snippets say is in integrate-snippets.js and integrate-tools.js.

import { t } from './i18n.js';

/**
 * A string literal of JSON, which is one of TOML, YAML, Python, Go and JavaScript as well, because what JSON alone
 * allows as it is, is escaped too.
 */
export function quoted(text) {
  return JSON.stringify(text).replace(/[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g, escapeCharacter);
}

function escapeCharacter(character) {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** One word for a POSIX shell. */
export function shellWord(text) {
  return /^[\w@%+:,.\/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** For clients that do not start without a key. */
export const keyOrNone = (settings) => settings.key ?? 'none';

/** A block: where its code belongs, in words; the file, if it is one; the code. */
export const inTerminal = (code) => ({ where: t('In a terminal'), code });
export const inFile = (file, code) => ({ where: t('In the file {file}', { file }), file, code });
export const inField = (field, code) => ({ where: t('In the field “{field}”', { field }), code });
