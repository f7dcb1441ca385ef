// SPDX-License-Identifier: MIT
// Lines over the last hour, drawn as SVG. Each plot says in its legend what its lines are now, or where the pointer is,
// and has the same as a table.

import { fill, h, setText } from './dom.js';
import { formatDuration, formatNumber, language, t } from './i18n.js';

const HOUR_MS = 3_600_000;
const HEIGHT = 190;
const MARGIN = { left: 58, right: 10, top: 10, bottom: 24 };
// Below this the words under a plot would touch each other, were there one for each quarter.
const NARROW = 440;
const MODELS_SHOWN = 4;
const OTHERS = '(other)';
const TABLE_STEP_MS = 300_000;
// What was not measured for so long is not drawn.
const GAP_MS = 60_000;

function svg(tag, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const clock = (time) => new Date(time).toLocaleTimeString(language, { hour: '2-digit', minute: '2-digit' });

/** 1, 2 or 5 times a power of ten: the step of at most four that reach the value. */
function niceStep(max, least) {
  const rough = Math.max(max / 4, least);
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough * 0.999);
}

/** The models that wrote most, and the others together. */
function modelSeries(points) {
  const totals = new Map();
  for (const { models } of points)
    for (const [name, value] of Object.entries(models)) totals.set(name, (totals.get(name) ?? 0) + value);
  // What the relay itself added up comes last.
  const names = [...totals.keys()].sort((a, b) => (a === OTHERS) - (b === OTHERS) || totals.get(b) - totals.get(a));
  const shown = names.filter((name) => name !== OTHERS).slice(0, MODELS_SHOWN);
  const series = [...shown].sort().map((name) => ({ name, read: ({ models }) => models[name] ?? 0 }));
  const rest = names.slice(shown.length);
  if (rest.length > 0)
    series.push({ name: t('others'), read: ({ models }) => rest.reduce((sum, name) => sum + (models[name] ?? 0), 0) });
  return series;
}

/** The points of each five minutes, the newest first. */
function steps(points) {
  const found = [];
  for (const point of [...points].reverse()) {
    if (found.length > 0 && point.time > found.at(-1)[0].time - TABLE_STEP_MS) found.at(-1).push(point);
    else found.push([point]);
  }
  return found;
}

function mean(values) {
  const known = values.filter((value) => value !== null && value !== undefined);
  return known.length > 0 ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}

const fixed = (series) => () => series;

const PLOTS = () => [
  { title: t('Requests a second'), format: formatNumber, least: 0.25, series: fixed([
    { name: t('completed'), read: (point) => point.completed },
    { name: t('failed'), read: (point) => point.failed, kind: 'bad' }]) },
  { title: t('Time to the first byte'), format: formatDuration, least: 25, series: fixed([
    { name: t('half are faster (p50)'), read: (point) => point.p50 },
    { name: t('95 of 100 are faster (p95)'), read: (point) => point.p95 }]) },
  { title: t('Waiting requests'), format: formatNumber, least: 1, series: fixed([
    { name: t('in the queue'), read: (point) => point.queue }]) },
  { title: t('Tokens a second'), format: formatNumber, least: 1, series: modelSeries },
];

class Plot {
  constructor(kind) {
    this.kind = kind;
    this.points = [];
    this.legend = h('ul', { class: 'legend' });
    this.when = h('span', { class: 'quiet when' });
    this.grid = svg('g', { class: 'grid' });
    this.lines = svg('g', { class: 'lines' });
    this.cursor = svg('line', { class: 'cursor', y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom, visibility: 'hidden' });
    this.svg = svg('svg', { height: HEIGHT, 'aria-hidden': 'true' }, this.grid, this.lines, this.cursor);
    this.svg.addEventListener('pointermove', (event) => this.point(event.offsetX));
    this.svg.addEventListener('pointerleave', () => this.point(null));
    this.table = h('details', { class: 'values', ontoggle: () => this.showTable() },
      h('summary', {}, t('As a table')), h('div', {}));
    this.element = h('figure', { class: 'card plot', role: 'group', 'aria-label': kind.title },
      h('div', { class: 'plot-head' }, h('h3', {}, kind.title), this.when), this.legend, this.svg, this.table);
  }

  update(points) {
    this.points = points;
    this.end = points.at(-1)?.time ?? Date.now();
    this.series = this.kind.series(points);
    this.showLegend();
    this.draw();
    this.showTable();
  }

  x(time) {
    return MARGIN.left + (1 - (this.end - time) / HOUR_MS) * (this.width - MARGIN.left - MARGIN.right);
  }

  y(value) {
    return HEIGHT - MARGIN.bottom - (value / this.top) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  }

  draw() {
    if (!this.width || !this.series) return;
    const max = Math.max(0, ...this.series.flatMap(({ read }) => this.points.map((point) => read(point) ?? 0)));
    const step = niceStep(max, this.kind.least);
    this.top = step * Math.max(1, Math.ceil(max / step - 0.001));
    this.drawGrid(step);
    this.lines.replaceChildren(...this.series.map((series, i) =>
      svg('path', { class: series.kind ?? `s${i}`, d: this.path(series.read) })));
  }

  drawGrid(step) {
    const right = this.width - MARGIN.right;
    const marks = [];
    for (let value = 0; value <= this.top * 1.001; value += step) {
      const y = this.y(value);
      const label = svg('text', { x: MARGIN.left - 8, y: y + 4, 'text-anchor': 'end' }, this.kind.format(value));
      marks.push(svg('line', { x1: MARGIN.left, x2: right, y1: y, y2: y }), label);
    }
    for (let minutes = 60; minutes >= 0; minutes -= this.width < NARROW ? 30 : 15) {
      const x = this.x(this.end - minutes * 60_000);
      const anchor = minutes === 0 ? 'end' : 'middle';
      marks.push(svg('text', { x: minutes === 0 ? right : x, y: HEIGHT - 6, 'text-anchor': anchor },
        minutes === 0 ? t('now') : t('−{n} min', { n: minutes })));
    }
    this.grid.replaceChildren(...marks);
  }

  path(read) {
    let path = '';
    let last = null;
    for (const point of this.points) {
      const value = read(point);
      if (value === null || value === undefined) continue;
      const joined = last !== null && point.time - last <= GAP_MS;
      const place = `${this.x(point.time).toFixed(1)} ${this.y(value).toFixed(1)}`;
      // A point alone would not be seen; a line of no length with round ends is.
      path += joined ? `L${place}` : `M${place}l0 0`;
      last = point.time;
    }
    return path;
  }

  showLegend() {
    const names = this.series.map(({ name }) => name).join('\n');
    if (names !== this.names) {
      this.names = names;
      this.values = this.series.map(() => h('b', {}));
      const swatch = (kind) => h('span', { class: `swatch ${kind}`, 'aria-hidden': 'true' });
      fill(this.legend, this.series.map(({ name, kind }, i) =>
        h('li', {}, swatch(kind ?? `s${i}`), `${name} `, this.values[i])));
    }
    if (!this.pointed) this.showValues(this.points.at(-1));
  }

  showValues(point) {
    this.series.forEach(({ read }, i) => setText(this.values[i], this.text(point && read(point))));
  }

  text(value) {
    return value === null || value === undefined ? '–' : this.kind.format(value);
  }

  /** Shows the values below the pointer, or those of now for null. */
  point(offset) {
    if (!this.series || this.points.length === 0) return;
    const near = offset === null ? null : this.points.reduce((best, point) =>
      (Math.abs(this.x(point.time) - offset) < Math.abs(this.x(best.time) - offset) ? point : best));
    this.pointed = near;
    this.cursor.setAttribute('visibility', near ? 'visible' : 'hidden');
    if (near) for (const end of ['x1', 'x2']) this.cursor.setAttribute(end, this.x(near.time));
    setText(this.when, near ? clock(near.time) : '');
    this.showValues(near ?? this.points.at(-1));
  }

  showTable() {
    if (!this.table.open || !this.series) return;
    const rows = steps(this.points).map((points) => h('tr', {},
      h('th', { scope: 'row' }, clock(points[0].time)),
      this.series.map(({ read }) => h('td', { class: 'number' }, this.text(mean(points.map(read)))))));
    const heads = this.series.map(({ name }) => h('th', { scope: 'col', class: 'number' }, name));
    fill(this.table.lastElementChild,
      h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': this.kind.title },
        h('table', {},
          h('caption', { class: 'quiet' }, t('Means of five minutes each')),
          h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, t('Time')), heads)),
          h('tbody', {}, rows))));
  }
}

/** Returns the element and what brings it up to date. */
export function makePlots(over) {
  const plots = PLOTS().map((kind) => new Plot(kind));
  const sizes = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      const plot = plots.find((one) => one.svg === target);
      plot.width = contentRect.width;
      plot.draw();
    }
  });
  for (const plot of plots) sizes.observe(plot.svg);
  over.addEventListener('abort', () => sizes.disconnect());
  let shown;
  function update({ history }) {
    const last = history.at(-1);
    if (last === shown && shown !== undefined) return;
    shown = last;
    for (const plot of plots) plot.update(history);
  }
  return { element: h('div', { class: 'plots' }, plots.map((plot) => plot.element)), update };
}
