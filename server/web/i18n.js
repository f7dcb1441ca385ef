// SPDX-License-Identifier: MIT
// Texts in the reader's language. The English text is the key; translations are the gettext catalogues of po/, as they
// are, read here. xgettext finds the texts in calls of t() and n().

let catalogue = new Map();
export let language = 'en';

/** A text, with {name} replaced by values.name. */
export function t(text, values = {}) {
  return replace(catalogue.get(text)?.[0] || text, values);
}

// Making one takes longer than using it a hundred times.
let plurals = null;
let numbers = null;

/** One text for one, another for several, as the reader's language tells them apart; {n} is the number. */
export function n(one, several, number, values = {}) {
  // The French write "0 requête". Not all languages have just these two forms; those that there are here do.
  plurals ??= new Intl.PluralRules(language, { maximumFractionDigits: 1 });
  const form = plurals.select(number) === 'one' ? 0 : 1;
  const text = catalogue.get(one)?.[form] || (number === 1 ? one : several);
  return replace(text, { n: formatNumber(number), ...values });
}

function replace(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** A number as the reader writes it; at most one decimal. */
export function formatNumber(number) {
  numbers ??= new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  return numbers.format(number);
}

/** Milliseconds as a short duration: 340 ms, 2.5 s, 3 min, 2 h. */
export function formatDuration(ms) {
  if (ms === null || ms === undefined) return '–';
  if (ms < 1000) return `${formatNumber(Math.round(ms))} ms`;
  if (ms < 60_000) return `${formatNumber(ms / 1000)} s`;
  if (ms < 3_600_000) return `${formatNumber(Math.floor(ms / 60_000))} min`;
  return `${formatNumber(ms / 3_600_000)} h`;
}

/** A point in time (RFC 3339) as the reader writes it. */
export function formatTime(text) {
  return text ? new Intl.DateTimeFormat(language, { dateStyle: 'short', timeStyle: 'short' }).format(new Date(text)) : '–';
}

/** Reads the catalogue of the first of the reader's languages that there is one for. Failing that, all stays English. */
export async function loadTranslations(available = ['de', 'es', 'fr']) {
  const wanted = navigator.languages.map((tag) => tag.split('-')[0].toLowerCase());
  const found = wanted.find((tag) => tag === 'en' || available.includes(tag)) ?? 'en';
  if (found !== 'en') {
    try {
      const answer = await fetch(`/web/po/${found}.po`);
      if (answer.ok) {
        catalogue = parseCatalogue(await answer.text());
        language = found;
      }
    } catch {
      // English is better than nothing.
    }
  }
  document.documentElement.lang = language;
}

/** A gettext catalogue: msgid -> its forms. Fuzzy entries are left out. */
export function parseCatalogue(text) {
  const entries = new Map();
  for (const block of text.split(/\n\s*\n/)) {
    if (/^#,.*\bfuzzy\b/m.test(block)) continue;
    const fields = {};
    let field = null;
    for (const line of block.split('\n')) {
      const match = /^(?:(msg\w+(?:\[\d\])?) )?("(?:[^"\\]|\\.)*")\s*$/.exec(line);
      if (!match) continue;
      field = match[1] ?? field;
      if (field) fields[field] = (fields[field] ?? '') + JSON.parse(match[2]);
    }
    const forms = [fields.msgstr ?? fields['msgstr[0]'], fields['msgstr[1]']];
    if (fields.msgid && forms[0]) entries.set(fields.msgid, forms);
  }
  return entries;
}
