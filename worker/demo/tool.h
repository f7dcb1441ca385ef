/* SPDX-License-Identifier: MIT */
/*
 * Tool calls of the demonstration backend, pure: which tool a request forces, in any of the three APIs' spellings, and
 * arguments that fit its schema.
 */
#pragma once

#include "answer.h"

/**
 * mr_demo_answer_read_tools:
 *
 * Reads `tools` and `tool_choice`: counts the definitions and, when a call is forced, sets the tool and its arguments.
 *
 * Returns: %FALSE with %MR_ERROR_INVALID_REQUEST when a call is forced of a tool that is not there
 */
gboolean mr_demo_answer_read_tools (MrDemoAnswer *answer, JsonObject *request, GError **error);

/**
 * mr_demo_example:
 * @schema: (nullable): a JSON schema
 *
 * Returns: (transfer full): a value that fits: its `const`, `default`, first `enum` or example, else by its type. The
 * same schema always gives the same value. `$ref` is not followed.
 */
JsonNode *mr_demo_example (JsonObject *schema);
