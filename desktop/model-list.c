/* SPDX-License-Identifier: MIT */
/*
 * Rows follow the list of the model server. While nothing is connected that list is not known: then the last one stays,
 * so that its switches can be set before sharing goes on. See model-list.h.
 */
#include "model-list.h"

#include "model-row.h"

#include <glib/gi18n-lib.h>

struct _MrModelList {
  GtkBox parent_instance;
  MrSharing *sharing; /* Borrowed */
  char **models;      /* Owned: those of the rows, in their order */
  GtkLabel *heading;
  GtkLabel *summary;
  GtkListBox *rows;
  GtkLabel *empty;
};

G_DEFINE_FINAL_TYPE (MrModelList, mr_model_list, GTK_TYPE_BOX)

/* (nullable): what the model server lists; %NULL when that cannot be known now */
static const char *const *
get_listed (MrModelList *self)
{
  static const char *const none[] = { NULL };
  MrWorker *worker = mr_sharing_get_worker (self->sharing);
  MrSharingState state = mr_sharing_get_state (self->sharing);

  if (worker != NULL && mr_worker_get_backend_is_up (worker))
    return mr_worker_get_backend_models (worker);
  if (worker == NULL || state == MR_SHARING_ERROR || state == MR_SHARING_CONNECTED || state == MR_SHARING_RELAYING)
    return none;
  return NULL;
}

static const char *
explain_empty (MrModelList *self)
{
  MrWorker *worker = mr_sharing_get_worker (self->sharing);
  MrSharingState state = mr_sharing_get_state (self->sharing);

  if (worker == NULL)
    return _ ("Once a relay and a model server are set, the models are listed here.");
  if (mr_worker_get_backend_is_up (worker))
    return _ ("The model server has no models. Load one there, then look again (F5).");
  if (state == MR_SHARING_PAUSED || state == MR_SHARING_DISCONNECTED)
    return _ ("The models are listed here while this machine is shared.");
  if (state == MR_SHARING_CONNECTING)
    return _ ("Asking the model server…");
  return _ ("The model server does not answer. Start it, or check its address in the settings.");
}

static void
remake_rows (MrModelList *self, const char *const *models)
{
  GtkListBoxRow *row;

  if (self->models != NULL && g_strv_equal ((const char *const *) self->models, models))
    return;
  g_strfreev (self->models);
  self->models = g_strdupv ((char **) models);
  while ((row = gtk_list_box_get_row_at_index (self->rows, 0)) != NULL)
    gtk_list_box_remove (self->rows, GTK_WIDGET (row));
  for (guint i = 0; models[i] != NULL; i++)
    gtk_list_box_append (self->rows, mr_model_row_new (self->sharing, models[i]));
}

static void
count_request (const MrWorkerRequest *request, gpointer data)
{
  GHashTable *running = data;
  guint n = GPOINTER_TO_UINT (g_hash_table_lookup (running, request->model));

  g_hash_table_insert (running, g_strdup (request->model), GUINT_TO_POINTER (n + 1));
}

void
mr_model_list_update (MrModelList *list)
{
  g_autoptr (GHashTable) running = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  const char *const *listed = get_listed (list);
  g_autofree char *summary = NULL;
  GtkListBoxRow *row;
  guint n = 0;
  guint shared = 0;

  if (listed != NULL)
    remake_rows (list, listed);
  mr_sharing_foreach_request (list->sharing, count_request, running);
  for (; (row = gtk_list_box_get_row_at_index (list->rows, (int) n)) != NULL; n++) {
    const char *model = mr_model_row_get_model (MR_MODEL_ROW (row));

    mr_model_row_update (MR_MODEL_ROW (row), GPOINTER_TO_UINT (g_hash_table_lookup (running, model)));
    shared += mr_sharing_is_model_shared (list->sharing, model) ? 1 : 0;
  }
  summary = g_strdup_printf (_ ("%u of %u shared"), shared, n);
  gtk_label_set_label (list->summary, n > 0 ? summary : "");
  gtk_label_set_label (list->empty, explain_empty (list));
}

static void
on_row_activated (GtkListBox *rows, GtkListBoxRow *row, MrModelList *self)
{
  mr_model_row_toggle (MR_MODEL_ROW (row));
}

static void
finalize (GObject *object)
{
  g_strfreev (MR_MODEL_LIST (object)->models);
  G_OBJECT_CLASS (mr_model_list_parent_class)->finalize (object);
}

static void
mr_model_list_class_init (MrModelListClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = finalize;
  gtk_widget_class_set_template_from_resource (widget_class, "/org/modelrelay/Desktop/model-list.ui");
  gtk_widget_class_bind_template_child (widget_class, MrModelList, heading);
  gtk_widget_class_bind_template_child (widget_class, MrModelList, summary);
  gtk_widget_class_bind_template_child (widget_class, MrModelList, rows);
  gtk_widget_class_bind_template_child (widget_class, MrModelList, empty);
}

static void
mr_model_list_init (MrModelList *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  g_signal_connect_object (self->rows, "row-activated", G_CALLBACK (on_row_activated), self, 0);
}

GtkWidget *
mr_model_list_new (MrSharing *sharing)
{
  MrModelList *self = g_object_new (MR_TYPE_MODEL_LIST, NULL);

  self->sharing = sharing;
  return GTK_WIDGET (self);
}
