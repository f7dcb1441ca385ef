/* SPDX-License-Identifier: MIT */
/*
 * One event a line, with structured fields: `2026-11-20T21:40:11.123Z info  request dispatched request_id=...
 * worker=...`, the same as JSON, or an entry of the journal (contract H2). Libraries call mr_log() with a fixed text
 * and fields; the programs choose level and format. Prompts, answers and secrets are never fields (contract B7, H3).
 */
#pragma once

#include <glib.h>

typedef enum { MR_LOG_TRACE, MR_LOG_DEBUG, MR_LOG_INFO, MR_LOG_WARN, MR_LOG_ERROR } MrLogLevel;

/** mr_log_level_from_string: %FALSE when @name is none of trace, debug, info, warn, error. */
gboolean mr_log_level_from_string (const char *name, MrLogLevel *level);

void mr_log_set_level (MrLogLevel level);
gboolean mr_log_is_enabled (MrLogLevel level);

typedef enum {
  MR_LOG_FORMAT_AUTO, /* the journal when standard error is connected to it, else text */
  MR_LOG_FORMAT_TEXT,
  MR_LOG_FORMAT_JSON,
  MR_LOG_FORMAT_JOURNALD, /* entries with fields of their own; text on standard error when there is no journal */
} MrLogFormat;

/** mr_log_set_format: text until it is called. %MR_LOG_FORMAT_AUTO looks at standard error now. */
void mr_log_set_format (MrLogFormat format);

/**
 * mr_log_write:
 * @event: the fixed text of the event
 * @...: pairs of field name (lower case, digits, `_`; not time, level or event) and value (const char *, a NULL value
 *   leaves the field out), then %NULL
 *
 * Writes one line or entry. Values are quoted and escaped, so that no peer can forge a line or a field.
 */
void mr_log_write (MrLogLevel level, const char *event, ...) G_GNUC_NULL_TERMINATED;

/**
 * mr_log_install_glib_writer:
 *
 * From now on what libraries report through GLib's own log comes out in the same form, as the event `library message`
 * with its domain. G_DEBUG=fatal-criticals (or -warnings) and G_MESSAGES_DEBUG keep their meaning. Once per program.
 */
void mr_log_install_glib_writer (void);

#define mr_log(level, ...)                                                                                             \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    if (mr_log_is_enabled (level))                                                                                     \
      mr_log_write (level, __VA_ARGS__);                                                                               \
  }                                                                                                                    \
  G_STMT_END
