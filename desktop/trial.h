/* SPDX-License-Identifier: MIT */
/*
 * The assistant's trial: connects this machine, sends a question through the relay and shows the answer as it streams
 * in. How sharing goes on is the assistant's.
 */
#pragma once

#include "sharing.h"
#include "test-line.h"

#include <gtk/gtk.h>

#define MR_TYPE_TRIAL (mr_trial_get_type ())
G_DECLARE_FINAL_TYPE (MrTrial, mr_trial, MR, TRIAL, GtkBox)

/** mr_trial_set_up: once. References are taken */
void mr_trial_set_up (MrTrial *trial, GSettings *settings, MrSharing *sharing);

/**
 * mr_trial_set_target: what the next trial asks
 * @relay_url: copied
 * @models: copied: to choose from
 */
void mr_trial_set_target (MrTrial *trial, const char *relay_url, const char *const *models);

/** mr_trial_stop: ends a trial, and disconnects if this machine was only connected for it. */
void mr_trial_stop (MrTrial *trial);

/** mr_trial_get_test: (transfer none) */
MrTestLine *mr_trial_get_test (MrTrial *trial);
