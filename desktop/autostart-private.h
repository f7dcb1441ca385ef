/* SPDX-License-Identifier: MIT */
/*
 * What the tests of autostart.c reach for: either way on any machine, and the entry's text.
 */
#pragma once

#include "autostart.h"

/** mr_autostart_set_by_async: @portal: which way */
void mr_autostart_set_by_async (gboolean portal, gboolean enabled, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data);

/** mr_autostart_make_entry: (transfer full): @program: (nullable): its path; %NULL when it is found by its name */
char *mr_autostart_make_entry (const char *program);
