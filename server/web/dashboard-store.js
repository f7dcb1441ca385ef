// SPDX-License-Identifier: MIT
// What the dashboard knows of the relay, put together from its events or its answers. Nothing here touches the page.

export const RECENT = 20;
const RATE_WINDOW_MS = 60_000;
const HISTORY_MS = 3_600_000;
const QUIET = { completed: 0, failed: 0, p50: null, p95: null, models: {} };
const OVER = ['done', 'failed', 'cancelled'];

export class Store {
  constructor(onChange) {
    this.onChange = onChange;
    this.history = [];
    // Whether events come; set by the feed.
    this.live = false;
    this.forget();
  }

  /** Everything but the history, which a new connection leaves as it was. */
  forget() {
    this.workers = new Map();
    this.requests = new Map();
    this.recent = [];
    this.stats = null;
    this.samples = [];
    this.unknown = 0;
  }

  /** One event of /admin/events. */
  apply(event, data) {
    if (event === 'snapshot') this.setSnapshot(data);
    else if (event === 'worker') this.workers.set(data.worker_id, data);
    else if (event === 'worker_gone') this.workers.delete(data.worker_id);
    else if (event === 'request') this.setRequest(data);
    else if (event === 'stats') this.setStats(data);
    else if (event === 'history') this.addHistory(data);
    this.onChange();
  }

  setSnapshot({ workers, requests, requests_total: total, stats }) {
    this.workers = new Map(workers.map((worker) => [worker.worker_id, worker]));
    this.requests = new Map(requests.map((request) => [request.id, stamp(request, this.requests.get(request.id))]));
    this.unknown = total - requests.length;
    this.setStats(stats);
  }

  setRequest(request) {
    const known = this.requests.get(request.id);
    if (!known && this.unknown > 0 && request.state !== 'queued') this.unknown--;
    if (OVER.includes(request.state)) {
      this.requests.delete(request.id);
      this.recent = [{ ...request, ended: Date.now() }, ...this.recent].slice(0, RECENT);
    } else {
      this.requests.set(request.id, stamp(request, known));
    }
  }

  /** How much of their answers the requests have: no event tells that. */
  setProgress(requests) {
    for (const { id, answer_bytes: bytes } of requests) {
      const known = this.requests.get(id);
      if (known && known.answer_bytes < bytes) this.requests.set(id, { ...known, answer_bytes: bytes });
    }
    this.onChange();
  }

  setStats(stats) {
    this.stats = stats;
    const last = this.samples.at(-1);
    if (last && (stats.requests.total < last.requests || stats.tokens.completion < last.tokens)) this.samples = [];
    this.samples.push({ time: performance.now(), requests: stats.requests.total, tokens: stats.tokens.completion });
  }

  /** Requests or tokens a second in the last minute, or since the page was opened if that is shorter. */
  rate(what) {
    const now = performance.now();
    // The newest sample before the window says what the count was when it began: without a change there is no event.
    while (this.samples.length > 1 && this.samples[1].time <= now - RATE_WINDOW_MS) this.samples.shift();
    const first = this.samples[0];
    if (!first) return 0;
    const seconds = Math.max(1000, Math.min(RATE_WINDOW_MS, now - first.time)) / 1000;
    return (this.samples.at(-1)[what] - first[what]) / seconds;
  }

  /** A document of /admin/history, or what an event adds to it. */
  addHistory(document) {
    const points = readPoints(document);
    if (points.length === 0) return;
    this.intervalMs = document.interval_s * 1000;
    this.skewMs = points.at(-1).time - Date.now();
    const known = this.history.filter((point) => !point.guessed);
    // The relay tells whole seconds: what is less than half a step later is the same point.
    const last = known.length > 0 ? known.at(-1).time + this.intervalMs / 2 : 0;
    this.setHistory([...known, ...points.filter((point) => point.time > last)]);
  }

  /** While nothing happens the relay says nothing; time goes on all the same. */
  passQuietTime() {
    const last = this.history.at(-1);
    const now = Date.now() + (this.skewMs ?? 0);
    if (!last || !this.live) return;
    const points = [];
    // An event is a moment late at times.
    for (let time = last.time + this.intervalMs; time < now - this.intervalMs / 2; time += this.intervalMs)
      points.push({ ...last, ...QUIET, time, guessed: true });
    if (points.length > 0) this.setHistory([...this.history, ...points]);
  }

  setHistory(points) {
    const oldest = (points.at(-1)?.time ?? 0) - HISTORY_MS;
    this.history = points.filter((point) => point.time >= oldest);
    this.onChange();
  }

  /** Failed requests in the time that the history has. */
  get failedLately() {
    return Math.round(this.history.reduce((sum, { failed }) => sum + failed, 0) * (this.intervalMs / 1000));
  }

  get waiting() {
    return Object.values(this.stats?.queue_depth ?? {}).reduce((sum, depth) => sum + depth, 0);
  }
}

/** Ages are counted by the page's own clock: the relay's may be another. */
function stamp(request, known) {
  return { ...request, since: known?.since ?? performance.now() - request.age_ms };
}

/** The columns of a history as points in time. Rates are per second. */
function readPoints({ interval_s: interval, end, columns, models }) {
  const rest = columns.queue_depth.length - 1;
  return columns.queue_depth.map((queue, i) => ({
    time: Date.parse(end) - (rest - i) * interval * 1000,
    completed: columns.completed_per_second[i],
    failed: columns.failed_per_second[i],
    p50: columns.first_byte_p50_ms[i],
    p95: columns.first_byte_p95_ms[i],
    queue,
    models: Object.fromEntries(Object.entries(models).map(([name, values]) => [name, values[i]])),
  }));
}
