/* SPDX-License-Identifier: MIT */
/*
 * What all links of one worker have in common. The worker owns it and keeps it up to date; links and exchanges read it.
 */
#pragma once

#include "http-client.h"
#include "worker-config.h"
#include "worker-totals.h"

typedef struct {
  MrReactor *reactor;         /* Borrowed: outlives the worker */
  MrWorkerConfig *config;     /* Owned */
  MrHttpClient *client;       /* Owned: to the backend */
  MrTlsTrust *relay_trust;    /* Owned: which relays to believe */
  MrHeaders *backend_headers; /* Owned */
  const char *const *models;  /* Borrowed from the worker: what is to be registered */
  guint max_concurrent;       /* over all links */
  guint load;                 /* requests running over all links; counted by the links */
  MrWorkerTotals totals;      /* of requests that ended; counted by the links */
  gboolean draining;          /* no new requests; links close when their last one has ended */
} MrWorkerContext;
