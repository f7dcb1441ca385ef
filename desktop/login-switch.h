/* SPDX-License-Identifier: MIT */
/*
 * The switch for starting with the session: what it asks autostart.h for, and what it shows when the answer is no.
 */
#pragma once

#include <gtk/gtk.h>

/**
 * mr_login_switch_bind: for good
 * @button: shows how it is from now on, and sets it
 * @problem: the label for the sentence of a refusal
 * @settings: a reference is taken: key `start-at-login`
 */
void mr_login_switch_bind (GtkSwitch *button, GtkLabel *problem, GSettings *settings);
