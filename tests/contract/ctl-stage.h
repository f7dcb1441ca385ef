/* SPDX-License-Identifier: MIT */
/*
 * What the tests of modelrelayctl share: a bus of their own with a relay on it, a worker between it and a backend, and
 * runs of the program. Needs the paths of relay, worker and modelrelayctl as arguments of the test.
 */
#pragma once

#include "json-text.h"
#include "process.h"
#include "raw-client.h"
#include "scripted-backend.h"
#include "scripted-worker.h"

#include <unistd.h>

#define CTL_SECRET "ctl-worker-secret"
#define CTL_TOKEN "ctl-admin-token"

typedef struct {
  MrtProcess *bus;
  MrtProcess *relay;
  MrtProcess *worker; /* "tower", which serves "m" */
  MrtBackend *backend;
  char *bus_address;
  guint16 port;
  char *url;
} CtlStage;

/** CtlWay: what the environment of a run says of where the relay is. */
typedef enum { CTL_HTTP, CTL_DBUS, CTL_NOWHERE } CtlWay;

typedef struct {
  int exit_code;
  char *out;
  char *err;
} CtlRun;

/** ctl_stage_init: instead of g_test_init(). */
void ctl_stage_init (int argc, char **argv);

const char *ctl_path (void);

/** ctl_stage_new: (transfer full): @option: (nullable): one more for the relay */
CtlStage *ctl_stage_new (const char *option);
void ctl_stage_free (CtlStage *stage);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CtlStage, ctl_stage_free)

/** ctl_run: these arguments up to %NULL; @stage is not needed for %CTL_NOWHERE. */
CtlRun ctl_run (CtlStage *stage, CtlWay way, ...);
void ctl_run_clear (CtlRun *run);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CtlRun, ctl_run_clear)

/** ctl_expect: @run ended with @exit_code, and said why in one line when that is not 0. */
void ctl_expect (const CtlRun *run, int exit_code);
