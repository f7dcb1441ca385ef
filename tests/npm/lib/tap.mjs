// SPDX-License-Identifier: MIT
//
// Tests by name, run one after the other, reported as TAP; and waiting with a deadline. What a test needs around it is
// in stage.mjs.

import { setTimeout as sleep } from 'node:timers/promises';

export const WAIT_MS = 60_000;
const POLL_MS = 5;

const tests = [];

/** Declares a test; its body gets what the function handed to run() gives for the options. */
export function test(name, options, body) {
  tests.push({ name, options, body });
}

/** What the condition gives as soon as that is something; late is an error. */
export async function until(condition, what) {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`waited too long for ${what}`);
    await sleep(POLL_MS);
  }
}

/** What the promise gives; late is an error. */
export function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited too long for ${what}`)), WAIT_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function runOne({ name, options, body }, open) {
  const stage = await open(options);
  try {
    await within(body(stage), `the end of "${name}"`);
  } catch (error) {
    await stage.abandon();
    throw Object.assign(error, { log: stage.log() });
  }
  await stage.close();
}

const comment = (text) => console.log(text.replace(/^/gm, '# '));

/** Runs all tests, each on a stage that open(options) sets up; returns how many failed. */
export async function run(open) {
  let failures = 0;
  console.log(`1..${tests.length}`);
  for (const [index, one] of tests.entries()) {
    try {
      await runOne(one, open);
      console.log(`ok ${index + 1} - ${one.name}`);
    } catch (error) {
      failures++;
      console.log(`not ok ${index + 1} - ${one.name}`);
      comment(error.stack);
      if (error.log) comment(error.log);
    }
  }
  return failures;
}
