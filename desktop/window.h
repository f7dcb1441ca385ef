/* SPDX-License-Identifier: MIT */
/*
 * The main window: what is connected to what, the models with a switch each, running requests, throughput, today's
 * sums.
 */
#pragma once

#include "application.h"

GtkWindow *mr_window_new (MrApplication *application);
