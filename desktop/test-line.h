/* SPDX-License-Identifier: MIT */
/*
 * A Test button with a spinner and, beside it, the sentence of how the test went. While one runs the button cancels it.
 * What is tested is the owner's.
 *
 *   IDLE --click: signal `start`, mr_test_line_begin()--> RUNNING --mr_test_line_end()--> PASSED | FAILED
 *     ^                                                     |                                 |
 *     +---- mr_test_line_reset() (what was tested changed), or click: cancelled --------------+
 */
#pragma once

#include <gtk/gtk.h>

typedef enum { MR_TEST_IDLE, MR_TEST_RUNNING, MR_TEST_PASSED, MR_TEST_FAILED } MrTestState;

/** MrTestLine: signal `start`: a test is wanted; property `state` (guint, an #MrTestState), notified. */
#define MR_TYPE_TEST_LINE (mr_test_line_get_type ())
G_DECLARE_FINAL_TYPE (MrTestLine, mr_test_line, MR, TEST_LINE, GtkBox)

/** mr_test_line_begin: cancels a test that runs. Returns: (transfer full): for the new one */
GCancellable *mr_test_line_begin (MrTestLine *line);

/** mr_test_line_end: @sentence: how it went. Not after a cancelled test: the line may be gone by then. */
void mr_test_line_end (MrTestLine *line, gboolean passed, const char *sentence);

/** mr_test_line_reset: cancels a test that runs and forgets how it went. */
void mr_test_line_reset (MrTestLine *line);

/** mr_test_line_start: as if the button had been pressed; nothing while a test runs. */
void mr_test_line_start (MrTestLine *line);

MrTestState mr_test_line_get_state (MrTestLine *line);

/** mr_test_line_get_sentence: (transfer none): of the last test; empty when there is none. */
const char *mr_test_line_get_sentence (MrTestLine *line);
