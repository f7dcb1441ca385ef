// SPDX-License-Identifier: MIT
//
// The real SDKs, unmodified, through the real relay and worker to the demonstration backend. Emits TAP.
//   clients.mjs CHAPTER RELAY WORKER BACKEND
// The tests are in clients-CHAPTER.mjs; this file only runs them.

import { run } from './lib/tap.mjs';
import { Stage, paths } from './lib/stage.mjs';

const [chapter, relay, worker, backend] = process.argv.slice(2);

if (backend === undefined) {
  console.error('usage: clients.mjs CHAPTER RELAY WORKER BACKEND');
  process.exit(2);
}
Object.assign(paths, { relay, worker, backend });
await import(`./clients-${chapter}.mjs`);
process.exit((await run(Stage.open)) > 0 ? 1 : 0);
