/* SPDX-License-Identifier: MIT */
/*
 * What the tests of notifier.c reach for: its times.
 */
#pragma once

#include "notifier.h"

/**
 * mr_notifier_new_timed:
 * @grace_ms: in which a loss may mend itself
 * @quiet_ms: in which a relay's news of a kind are told once
 */
MrNotifier *mr_notifier_new_timed (GApplication *application, MrSharing *sharing, GSettings *settings, guint grace_ms,
                                   guint quiet_ms);
