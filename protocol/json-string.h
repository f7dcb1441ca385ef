/* SPDX-License-Identifier: MIT */
/*
 * What the scanner (json.c) asks of strings (json-string.c). Everybody else includes json.h.
 */
#pragma once

#include "json.h"

/**
 * mr_json_string_scan:
 * @at: (inout): the byte after the opening quote; moved behind the closing one, or to the byte that is wrong
 * @end: end of the text
 * @escaped: (out): whether there was a backslash
 *
 * Returns: (nullable): what is wrong with the string, %NULL if nothing is
 */
const char *mr_json_string_scan (const char **at, const char *end, gboolean *escaped);
