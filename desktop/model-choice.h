/* SPDX-License-Identifier: MIT */
/*
 * Models with a check mark each: which are to be shared. Keeps its marks while the list changes; what is done with them
 * is the owner's.
 */
#pragma once

#include <gtk/gtk.h>

#define MR_TYPE_MODEL_CHOICE (mr_model_choice_get_type ())
G_DECLARE_FINAL_TYPE (MrModelChoice, mr_model_choice, MR, MODEL_CHOICE, GtkBox)

/**
 * mr_model_choice_set_models: a model that was shown before keeps its mark
 * @models: copied
 * @hidden: (nullable): those without a mark at first
 */
void mr_model_choice_set_models (MrModelChoice *choice, const char *const *models, const char *const *hidden);

/** mr_model_choice_foreach: calls @visit for each model, in order. */
void mr_model_choice_foreach (MrModelChoice *choice, void (*visit) (const char *model, gboolean shared, gpointer data),
                              gpointer data);

/** mr_model_choice_dup_shared: (transfer full): the marked ones. */
char **mr_model_choice_dup_shared (MrModelChoice *choice);

/** mr_model_choice_check: names what is wrong. Returns: whether at least one model is marked */
gboolean mr_model_choice_check (MrModelChoice *choice);
