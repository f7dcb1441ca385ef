// SPDX-License-Identifier: MIT
//
// Moves of a user of the page /setup. What the page must do is not here.

/** The steps' names in English. */
export const STEPS = ['Platform', 'Backend', 'Load a model', 'Install the worker', 'Configure', 'Start', 'Test',
  'Make it permanent'];

export async function goTo(page, number) {
  await page.locator(`nav.steps a[href="#step-${number}"]`).click();
  await page.locator(`section#step-${number}`).waitFor();
}

/** Goes to a step and takes the option of that value. */
export async function chooseAt(page, number, value) {
  await goTo(page, number);
  await page.locator(`input[type=radio][value="${value}"]`).check({ force: true });
}

export const fillField = (page, label, text) => page.getByLabel(label, { exact: true }).fill(text);

/** The text of a command that the page shows now. */
export const shown = (page, name) => page.locator(`[data-command="${name}"]:visible`).innerText();

/** Settings of a worker of this stage, on the step where they are made. */
export async function configure(visit, { name, models, who = 'system', secret }) {
  const { page, stage } = visit;
  await goTo(page, 5);
  await fillField(page, 'Name of the worker', name);
  await fillField(page, 'Address of the backend', stage.backendUrl);
  if (models) await fillField(page, 'Models', models);
  await page.locator(`input[type=radio][value="${who}"]`).check({ force: true });
  if (secret) await fillField(page, 'Worker secret', secret);
}
