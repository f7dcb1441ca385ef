// SPDX-License-Identifier: MIT
//
// The relay's own pages in Debian's Chromium. Emits TAP.
//   web.mjs PAGE RELAY WORKER BACKEND
// The tests are in web-PAGE.mjs; this file only runs them.

import { resolve } from 'node:path';

import { closeBrowser, visit } from './lib/browser.mjs';
import { paths } from './lib/stage.mjs';
import { run } from './lib/tap.mjs';

const [page, relay, worker, backend] = process.argv.slice(2);

if (backend === undefined) {
  console.error('usage: web.mjs PAGE RELAY WORKER BACKEND');
  process.exit(2);
}
// Commands of the pages run in other directories.
Object.assign(paths, { relay: resolve(relay), worker: resolve(worker), backend: resolve(backend) });
await import(`./web-${page}.mjs`);
const failures = await run(visit);
await closeBrowser();
process.exit(failures > 0 ? 1 : 0);
