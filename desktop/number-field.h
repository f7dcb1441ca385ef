/* SPDX-License-Identifier: MIT */
/*
 * A spin button for a number in the settings, checked as it is typed (field.h).
 */
#pragma once

#include <gtk/gtk.h>

/**
 * mr_number_field_bind: for good: the limits are those of the button's range
 * @problem: the label under it
 * @settings: a reference is taken
 * @key: static: of an integer
 */
void mr_number_field_bind (GtkSpinButton *button, GtkLabel *problem, GSettings *settings, const char *key);
