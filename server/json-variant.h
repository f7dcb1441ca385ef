/* SPDX-License-Identifier: MIT */
/*
 * Our JSON documents as D-Bus values, for methods that tell what the admin API tells. Pure; for documents of our own
 * only, whose depth is small.
 */
#pragma once

#include <json-glib/json-glib.h>

/**
 * mr_json_variant_new:
 *
 * Objects are `a{sv}` without their null members, integers `x`, other numbers `d`, strings `s`, booleans `b`. Arrays
 * are `as` when there are only strings in them or nothing, `aa{sv}` when there are only objects, else `av`.
 *
 * Returns: (transfer floating): the value; @node must not be null itself
 */
GVariant *mr_json_variant_new (JsonNode *node);

/** mr_json_variant_new_list: (transfer floating): an array of objects as `aa{sv}`, also when it is empty. */
GVariant *mr_json_variant_new_list (JsonNode *node);
