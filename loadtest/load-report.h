/* SPDX-License-Identifier: MIT */
/* What is said of a run when it is over, for people and for scripts. Counts and times come from the tally. */
#pragma once

#include "load-options.h"
#include "load-tally.h"
#include "style.h"

/** MrLoadResult: a run that is over. All is borrowed. */
typedef struct {
  const MrLoadOptions *options;
  const char *model;
  const MrLoadTally *tally; /* sorted */
  gint64 elapsed_us;
} MrLoadResult;

void mr_load_report_append_text (GString *out, const MrLoadResult *result, const MrStyle *style);

/** mr_load_report_append_json: one object and a line end. */
void mr_load_report_append_json (GString *out, const MrLoadResult *result);
