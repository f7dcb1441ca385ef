// SPDX-License-Identifier: MIT
//
// Texts and tool definitions that are easily damaged on their way.

/** Several scripts, characters of several code points, and all that JSON, SSE and HTTP treat specially. */
export const DIFFICULT = 'Zürich 東京 🦊 👩‍👩‍👧 e\u0301 \u00a0 "quoted" \\back\\ /slash/ \t\r\n\n\ndata: [DONE]\n\n' +
  'event: error\n: comment\u2028\u2029\u0085\u007f\u0001 </script> العربية ' + '💩'.repeat(50);

/** A tool's parameters, and the arguments that the demonstration backend makes of them. */
export const schema = {
  type: 'object',
  properties: {
    city: { type: 'string', enum: ['Zürich "Höngg"', '東京'] },
    days: { type: 'integer', minimum: 3 },
    note: { const: '🦊\\\n👩‍👩‍👧' },
    units: { type: 'array', items: { type: 'string', default: 'metric' } },
    exact: { type: 'boolean' },
  },
  required: ['city'],
};

export const argumentsOf = {
  city: 'Zürich "Höngg"',
  days: 3,
  note: '🦊\\\n👩‍👩‍👧',
  units: ['metric'],
  exact: true,
};
