/* SPDX-License-Identifier: MIT */
/* The command line of modelrelay-demo-backend: its table and what comes out of it. */
#pragma once

#include "options.h"

typedef struct {
  char *listen;
  char **models;
  double tokens_per_second; /* 0 for as fast as the client reads */
  guint slots;
} MrDemoOptions;

extern const MrProgram mr_demo_program;
