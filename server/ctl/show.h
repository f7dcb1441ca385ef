/* SPDX-License-Identifier: MIT */
/*
 * What the relay said, as a person reads it. Pure: JSON in, text out; nothing is asked here.
 */
#pragma once

#include "snapshot.h"
#include "style.h"

/** mr_show_status: a screenful. @place: where it was asked. */
void mr_show_status (const MrStyle *style, GString *out, const MrSnapshot *snapshot, const char *place);

/** mr_show_workers, ...: a table, or a sentence when @list is empty. */
void mr_show_workers (const MrStyle *style, GString *out, JsonNode *list);
void mr_show_models (const MrStyle *style, GString *out, JsonNode *list);
void mr_show_requests (const MrStyle *style, GString *out, JsonNode *list, guint max_rows);
void mr_show_keys (const MrStyle *style, GString *out, JsonNode *list);
void mr_show_usage (const MrStyle *style, GString *out, JsonNode *list);

/** mr_show_key: all about one. */
void mr_show_key (const MrStyle *style, GString *out, JsonNode *key);

/** mr_show_headline: one line: version, state, time since the start, the place. */
void mr_show_headline (const MrStyle *style, GString *out, const MrSnapshot *snapshot, const char *place);

/** mr_show_worker_load: requests that a worker runs, by its own count or the relay's. */
double mr_show_worker_load (JsonNode *worker);

/** mr_show_load_color: of a worker's bar. */
MrColor mr_show_load_color (JsonNode *worker);

/** mr_show_queue_depth: of all providers. */
double mr_show_queue_depth (JsonNode *statistics);

/** mr_show_short_id: (transfer full): the first characters, which the commands take as well. */
char *mr_show_short_id (JsonNode *node, const char *member);
