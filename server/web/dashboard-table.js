// SPDX-License-Identifier: MIT
// Tables whose rows are kept by key, so that a change touches its own cells and nothing else. On narrow screens the
// style sheet turns rows into cards; the roles say that they still are rows, the labels stand in for the head.

import { h, setText } from './dom.js';

/**
 * A table. Each column is {label, text(entry), number?, mark?(entry), cell?(entry, current), class?}: text is set when
 * it differs, mark is a word for the style sheet, cell makes the content once, when the row appears (buttons).
 */
export function makeTable(caption, columns) {
  const rows = new Map();
  const body = h('tbody', { role: 'rowgroup' });
  const element = h('div', { class: 'scroll', tabindex: -1 },
    h('table', { role: 'table', class: 'rows', 'aria-label': caption },
      h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns.map((column) =>
        h('th', { role: 'columnheader', scope: 'col', class: column.number ? 'number' : null }, column.label)))),
      body));

  function makeRow(entry) {
    const row = { entry };
    row.cells = columns.map((column) => h('td', { role: 'cell', 'data-label': column.label,
      class: [column.number && 'number', column.class].filter(Boolean).join(' ') || null },
      column.cell?.(entry, () => row.entry)));
    row.element = h('tr', { role: 'row' }, row.cells);
    return row;
  }

  function fillRow(row) {
    columns.forEach((column, i) => {
      if (column.text) setText(row.cells[i], column.text(row.entry));
      if (column.mark) row.cells[i].dataset.mark = column.mark(row.entry);
    });
  }

  /** Shows these entries, a Map in their order; once the rows are there, only new facts are written. */
  function update(entries) {
    for (const [key, row] of rows) {
      if (entries.has(key)) continue;
      // Not to the next row: its button does the same to something else.
      if (row.element.contains(document.activeElement)) element.focus({ preventScroll: true });
      row.element.remove();
      rows.delete(key);
    }
    let place = body.firstElementChild;
    for (const [key, entry] of entries) {
      let row = rows.get(key);
      if (!row) rows.set(key, row = makeRow(entry));
      if (row.entry !== entry || !row.element.parentNode) {
        row.entry = entry;
        fillRow(row);
      }
      if (row.element === place) place = place.nextElementSibling;
      else body.insertBefore(row.element, place);
    }
  }

  /** Writes one column again in all rows, for what changes by itself. */
  function tick(index) {
    for (const row of rows.values()) setText(row.cells[index], columns[index].text(row.entry));
  }
  return { element, update, tick };
}
