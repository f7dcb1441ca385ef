/* SPDX-License-Identifier: MIT */
/*
 * The first run in three pages: relay and secret; model server and models; a real test request through the relay. Can
 * be left and begun again at any time; nothing is kept before its page was checked.
 */
#pragma once

#include "application.h"

GtkWindow *mr_assistant_new (MrApplication *application);
