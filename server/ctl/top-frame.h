/* SPDX-License-Identifier: MIT */
/*
 * One frame of `top`: text from a snapshot, and the rates between snapshots. Pure.
 */
#pragma once

#include "show.h"

#define MR_TOP_KINDS (1u << MR_ASK_STATUS | 1u << MR_ASK_STATISTICS | 1u << MR_ASK_WORKERS | 1u << MR_ASK_REQUESTS)

/** MrTopRates: what has changed a second over the last samples. Zero-initialised. */
typedef struct {
  struct {
    gint64 at_us;
    double requests;
    double tokens;
  } samples[32];   /* a ring */
  guint n_samples; /* ever taken */
} MrTopRates;

/** mr_top_rates_add: @now_us: monotonic microseconds. A relay that was started anew begins from nothing. */
void mr_top_rates_add (MrTopRates *rates, JsonNode *statistics, gint64 now_us);

/** mr_top_rates_get: (out): requests and completion tokens a second over the last 30 seconds at most; negative when
 * there was only one sample. */
void mr_top_rates_get (const MrTopRates *rates, double *requests, double *tokens);

/** MrTopFrame: what a frame is made of. */
typedef struct {
  const MrSnapshot *snapshot;
  const MrTopRates *rates;
  const char *place;
  const char *problem; /* nullable: why the snapshot is old */
  MrCtlSort sort;
  gboolean keys; /* show what the keys do */
  guint lines;   /* G_MAXUINT for as many as it takes */
} MrTopFrame;

/** mr_top_frame_render: appends it. */
void mr_top_frame_render (const MrTopFrame *frame, const MrStyle *style, GString *out);
