/* SPDX-License-Identifier: MIT */
/*
 * A text field that is checked as it is typed: the sentence under it, its look, what a screen reader is told, and the
 * moment at which a good value takes effect. Which texts are good is field-check.h's, what they do the owner's.
 *
 *   typed -> checked at once -> good: applied after 500 ms of rest, or when the field is left
 *                            -> bad: named under the field and not applied
 */
#pragma once

#include <gtk/gtk.h>

typedef struct {
  /* (transfer full) (nullable): what is wrong with @text, as in field-check.h */
  char *(*check) (const char *text, gpointer data);

  /* (nullable): @text is good, and not the one that was applied or set last */
  void (*apply) (const char *text, gpointer data);

  /* (nullable): the owner typed; before any check */
  void (*typed) (gpointer data);
} MrFieldFuncs;

/**
 * mr_field_attach:
 * @editable: the field; carries the state from now on
 * @problem: the label under it
 * @funcs: static
 * @data: outlives the field
 */
void mr_field_attach (GtkEditable *editable, GtkLabel *problem, const MrFieldFuncs *funcs, gpointer data);

/** mr_field_set_text: shows a value that is in effect already. Left alone while the owner is typing another one. */
void mr_field_set_text (GtkEditable *editable, const char *text);

/** mr_field_recheck: what the check depends on is new. */
void mr_field_recheck (GtkEditable *editable);

/** mr_field_settle: a good value takes effect now. @demand: names what is wrong with an untouched, empty field, too.
 * Returns: whether the text is good */
gboolean mr_field_settle (GtkEditable *editable, gboolean demand);
