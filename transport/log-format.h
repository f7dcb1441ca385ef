/* SPDX-License-Identifier: MIT */
/*
 * How an event looks: as text for people, as JSON for collectors, as names for the journal. Pure; where lines go is
 * log.c's business.
 */
#pragma once

#include <glib.h>

/** MrLogField: both borrowed; a %NULL value leaves the field out. */
typedef struct {
  const char *name;
  const char *value;
} MrLogField;

/**
 * mr_log_append_text:
 *
 * `info  request dispatched request_id=r-1 worker="two words"`. White space, quotes, control characters and everything
 * invisible in values are quoted and escaped; bytes that are not UTF-8 become `\xff`.
 */
void mr_log_append_text (GString *line, const char *level, const char *event, const MrLogField *fields, gsize n);

/**
 * mr_log_append_json:
 * @time: RFC 3339
 *
 * One object without a line break (RFC 8259): `time`, `level`, `event`, then the fields, all strings. What is invisible
 * in values is escaped; bytes that are not UTF-8 become U+FFFD.
 */
void mr_log_append_json (GString *line, const char *time, const char *level, const char *event,
                         const MrLogField *fields, gsize n);

/** mr_log_journal_name: (transfer full): `MODELRELAY_REQUEST_ID` for `request_id` (systemd.journal-fields(7)). */
char *mr_log_journal_name (const char *field);
