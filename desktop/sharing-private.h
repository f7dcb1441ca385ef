/* SPDX-License-Identifier: MIT */
/*
 * What sharing.c and sharing-text.c know of each other.
 */
#pragma once

#include "sharing.h"

/** MrSharingFacts: what the sentences are made of. Borrowed. */
typedef struct {
  MrSharingState state;
  gboolean wanted;
  guint running;         /* requests, also those of workers that are being replaced */
  const char *problem;   /* (nullable): of the settings */
  const char *pause;     /* (nullable): mr_pause_describe() */
  MrWorker *worker;      /* (nullable) */
  guint running_earlier; /* of `running`: with earlier settings */
} MrSharingFacts;

/** mr_sharing_headline: (transfer full) */
char *mr_sharing_headline (const MrSharingFacts *facts);

/** mr_sharing_details: (transfer full) */
char *mr_sharing_details (const MrSharingFacts *facts);
