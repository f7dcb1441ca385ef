/* SPDX-License-Identifier: MIT */
/*
 * Row i shows request i, the oldest first: rows are added or removed at the end only, and their texts follow.
 */
#include "request-list.h"

#include "figures.h"

#include <glib/gi18n-lib.h>

struct _MrRequestList {
  GtkBox parent_instance;
  MrSharing *sharing; /* Borrowed */
  GtkLabel *heading;
  GtkListBox *rows;
};

G_DEFINE_FINAL_TYPE (MrRequestList, mr_request_list, GTK_TYPE_BOX)

/* Of one pass over the requests. */
typedef struct {
  MrRequestList *list;
  int next;
} Pass;

static GtkWidget *
make_title (void)
{
  return g_object_new (GTK_TYPE_LABEL, "xalign", 0.0, "ellipsize", PANGO_ELLIPSIZE_MIDDLE, NULL);
}

static GtkWidget *
make_caption (void)
{
  static const char *const classes[] = { "caption", "dim-label", NULL };

  return g_object_new (GTK_TYPE_LABEL, "xalign", 0.0, "wrap", TRUE, "wrap-mode", PANGO_WRAP_WORD_CHAR, "css-classes",
                       classes, NULL);
}

static GtkListBoxRow *
add_row (MrRequestList *self)
{
  GtkWidget *row = g_object_new (GTK_TYPE_LIST_BOX_ROW, "activatable", FALSE, NULL);
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 2);

  gtk_box_append (GTK_BOX (box), make_title ());
  gtk_box_append (GTK_BOX (box), make_caption ());
  gtk_list_box_row_set_child (GTK_LIST_BOX_ROW (row), box);
  gtk_list_box_append (self->rows, row);
  return GTK_LIST_BOX_ROW (row);
}

static char *
describe (const MrWorkerRequest *request)
{
  g_autofree char *place = mr_figures_place (request->relay_url);
  g_autofree char *age = mr_figures_span ((guint64) (g_get_monotonic_time () - request->started_us) / G_USEC_PER_SEC);
  g_autofree char *tokens = mr_figures_count (request->events);

  if (request->events == 0)
    return g_strdup_printf (_ ("%s · for %s"), age, place);
  return g_strdup_printf (ngettext ("%s · about %s token · for %s", "%s · about %s tokens · for %s", request->events),
                          age, tokens, place);
}

static void
show_request (const MrWorkerRequest *request, gpointer data)
{
  Pass *pass = data;
  GtkListBoxRow *row = gtk_list_box_get_row_at_index (pass->list->rows, pass->next);
  g_autofree char *text = describe (request);
  GtkWidget *box;

  if (row == NULL)
    row = add_row (pass->list);
  box = gtk_list_box_row_get_child (row);
  gtk_label_set_label (GTK_LABEL (gtk_widget_get_first_child (box)), request->model);
  gtk_widget_set_tooltip_text (gtk_widget_get_first_child (box), request->model);
  gtk_label_set_label (GTK_LABEL (gtk_widget_get_last_child (box)), text);
  pass->next++;
}

void
mr_request_list_update (MrRequestList *list)
{
  Pass pass = { .list = list };
  GtkListBoxRow *row;

  mr_sharing_foreach_request (list->sharing, show_request, &pass);
  while ((row = gtk_list_box_get_row_at_index (list->rows, pass.next)) != NULL)
    gtk_list_box_remove (list->rows, GTK_WIDGET (row));
}

static void
mr_request_list_class_init (MrRequestListClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  gtk_widget_class_set_template_from_resource (widget_class, "/org/modelrelay/Desktop/request-list.ui");
  gtk_widget_class_bind_template_child (widget_class, MrRequestList, heading);
  gtk_widget_class_bind_template_child (widget_class, MrRequestList, rows);
}

static void
mr_request_list_init (MrRequestList *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}

GtkWidget *
mr_request_list_new (MrSharing *sharing)
{
  MrRequestList *self = g_object_new (MR_TYPE_REQUEST_LIST, NULL);

  self->sharing = sharing;
  return GTK_WIDGET (self);
}
