/* SPDX-License-Identifier: MIT */
/*
 * Relays, one card each. A card has its place in the settings from the moment its address is good; its secret is kept
 * under that address. See preferences-relays.h.
 */
#include "preferences-relays.h"

#include "field-check.h"
#include "field.h"
#include "relay-card.h"

#include <glib/gi18n-lib.h>

struct _MrRelaysPage {
  GtkBox parent_instance;

  GtkWidget *banner;
  GtkLabel *banner_text;
  GtkButton *banner_button;
  GtkBox *cards; /* of RelayItem's boxes */
  GtkEditable *provider;
  GtkLabel *provider_problem;
  GtkLabel *ca_name;
  GtkWidget *ca_clear;
  GtkNativeDialog *chooser; /* Owned: NULL while closed */
  GPtrArray *items;         /* Owned: of RelayItem, in the order of the cards */
  MrReactor *reactor;       /* Borrowed: outlives the page */
  GSettings *settings;
  MrSecrets *secrets;
  GCancellable *cancellable; /* Owned: ends with the page */
};

G_DEFINE_FINAL_TYPE (MrRelaysPage, mr_relays_page, GTK_TYPE_BOX)

/* A card with its title and its Remove button. */
typedef struct {
  MrRelaysPage *page; /* Borrowed: owns the item */
  GtkWidget *box;     /* Borrowed: of the page */
  GtkLabel *title;
  GtkWidget *remove;
  MrRelayCard *card;
  char *url; /* Owned: as in the settings; NULL while it is not there */
} RelayItem;

static void
relay_item_free (gpointer data)
{
  RelayItem *item = data;
  g_signal_handlers_disconnect_by_data (item->card, item);
  g_signal_handlers_disconnect_by_data (item->remove, item);
  g_free (item->url);
  g_free (item);
}

/* --- settings and secrets --- */

static char **
dup_urls (MrRelaysPage *self)
{
  g_autoptr (GStrvBuilder) urls = g_strv_builder_new ();
  for (guint i = 0; i < self->items->len; i++) {
    RelayItem *item = g_ptr_array_index (self->items, i);
    if (item->url != NULL) {
      g_strv_builder_add (urls, item->url);
    }
  }
  return g_strv_builder_end (urls);
}

static void
write_relays (MrRelaysPage *self)
{
  g_auto (GStrv) urls = dup_urls (self);
  g_settings_set_strv (self->settings, "relays", (const char *const *) urls);
}

static void
store_secret (MrRelaysPage *self, const char *url, const char *secret)
{
  mr_secrets_store_async (self->secrets, url, secret, NULL, NULL, NULL);
}

static void
show_title (RelayItem *item)
{
  g_autoptr (GUri) uri = item->url != NULL ? g_uri_parse (item->url, G_URI_FLAGS_ENCODED, NULL) : NULL;
  const char *title = uri != NULL ? g_uri_get_host (uri) : _ ("New relay");
  /* Translators: %s is the name of a relay */
  g_autofree char *remove = g_strdup_printf (_ ("Remove %s"), title);
  gtk_label_set_label (item->title, title);
  gtk_widget_set_tooltip_text (GTK_WIDGET (item->title), item->url);
  gtk_widget_set_tooltip_text (item->remove, remove);
  gtk_accessible_update_property (GTK_ACCESSIBLE (item->remove), GTK_ACCESSIBLE_PROPERTY_LABEL, remove, -1);
}

static void
show_secret (RelayItem *item)
{
  MrRelaysPage *self = item->page;
  if (item->url == NULL) {
    return;
  }
  const char *secret = mr_secrets_peek (self->secrets, item->url);
  gboolean locked = secret == NULL && mr_secrets_get_state (self->secrets) == MR_SECRETS_LOCKED;
  mr_relay_card_set_secret (item->card, secret, locked ? _ ("Locked in the keyring") : NULL);
}

static void
on_url_applied (RelayItem *item, const char *url)
{
  MrRelaysPage *self = item->page;
  g_autofree char *secret = mr_relay_card_get_secret (item->card);
  g_autofree char *problem = mr_field_check_secret (secret);
  g_autofree char *old = g_steal_pointer (&item->url);
  item->url = g_strdup (url);
  if (problem == NULL) {
    store_secret (self, url, secret);
    if (old != NULL) {
      store_secret (self, old, NULL);
    }
  }
  write_relays (self);
  show_title (item);
}

static void
on_secret_applied (RelayItem *item, const char *secret)
{
  if (item->url != NULL) {
    store_secret (item->page, item->url, secret);
  }
}

static gboolean
is_taken (MrRelayCard *card, const char *url, gpointer data)
{
  MrRelaysPage *self = data;
  for (guint i = 0; i < self->items->len; i++) {
    RelayItem *item = g_ptr_array_index (self->items, i);
    if (item->card != card && g_strcmp0 (item->url, url) == 0) {
      return TRUE;
    }
  }
  return FALSE;
}

/* --- the list --- */

static void add_draft (MrRelaysPage *self);

static void
remove_item (RelayItem *item)
{
  MrRelaysPage *self = item->page;
  if (item->url != NULL) {
    store_secret (self, item->url, NULL);
  }
  GtkWidget *box = item->box;
  g_ptr_array_remove (self->items, item);
  gtk_box_remove (self->cards, box);
  write_relays (self);
  if (self->items->len == 0) {
    add_draft (self);
  }
}

static void
on_remove_answered (GtkDialog *dialog, int response, RelayItem *item)
{
  gtk_window_destroy (GTK_WINDOW (dialog));
  if (response == GTK_RESPONSE_ACCEPT) {
    remove_item (item);
  }
}

/* The secret goes with the relay and may be written down nowhere else: so the owner is asked. */
static void
on_remove (RelayItem *item)
{
  if (item->url == NULL) {
    remove_item (item);
    return;
  }
  GtkWidget *dialog = gtk_message_dialog_new (GTK_WINDOW (gtk_widget_get_root (item->box)),
                                              GTK_DIALOG_MODAL | GTK_DIALOG_DESTROY_WITH_PARENT, GTK_MESSAGE_QUESTION,
                                              GTK_BUTTONS_NONE, _ ("Remove this relay?"));
  gtk_message_dialog_format_secondary_text (GTK_MESSAGE_DIALOG (dialog),
                                            _ ("This machine leaves %s, and its worker secret is deleted."), item->url);
  gtk_dialog_add_buttons (GTK_DIALOG (dialog), _ ("_Keep"), GTK_RESPONSE_CANCEL, _ ("_Remove"), GTK_RESPONSE_ACCEPT,
                          NULL);
  gtk_dialog_set_default_response (GTK_DIALOG (dialog), GTK_RESPONSE_CANCEL);
  g_signal_connect (dialog, "response", G_CALLBACK (on_remove_answered), item);
  gtk_window_present (GTK_WINDOW (dialog));
}

static RelayItem *
add_item (MrRelaysPage *self, const char *url)
{
  RelayItem *item = g_new0 (RelayItem, 1);
  GtkWidget *head = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6);
  item->page = self;
  item->url = g_strdup (url);
  item->box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 6);
  item->title = GTK_LABEL (gtk_label_new (NULL));
  item->remove = gtk_button_new_from_icon_name ("user-trash-symbolic");
  item->card = g_object_new (MR_TYPE_RELAY_CARD, NULL);
  gtk_label_set_xalign (item->title, 0);
  gtk_label_set_ellipsize (item->title, PANGO_ELLIPSIZE_MIDDLE);
  gtk_widget_set_hexpand (GTK_WIDGET (item->title), TRUE);
  gtk_widget_add_css_class (GTK_WIDGET (item->title), "heading");
  gtk_widget_add_css_class (item->remove, "flat");
  gtk_box_append (GTK_BOX (head), GTK_WIDGET (item->title));
  gtk_box_append (GTK_BOX (head), item->remove);
  gtk_box_append (GTK_BOX (item->box), head);
  gtk_box_append (GTK_BOX (item->box), GTK_WIDGET (item->card));
  gtk_box_append (self->cards, item->box);
  g_ptr_array_add (self->items, item);

  mr_relay_card_set_up (item->card, self->reactor, self->settings, is_taken, self);
  g_signal_connect_swapped (item->remove, "clicked", G_CALLBACK (on_remove), item);
  g_signal_connect_swapped (item->card, "url-applied", G_CALLBACK (on_url_applied), item);
  g_signal_connect_swapped (item->card, "secret-applied", G_CALLBACK (on_secret_applied), item);
  if (url != NULL) {
    mr_relay_card_set_url (item->card, url);
  }
  show_title (item);
  show_secret (item);
  return item;
}

static void
add_draft (MrRelaysPage *self)
{
  RelayItem *item = add_item (self, NULL);
  gtk_widget_grab_focus (GTK_WIDGET (item->card));
}

static void
on_add (MrRelaysPage *self)
{
  add_draft (self);
}

/* Somebody else, e.g. the assistant, may have written the list. */
static void
on_relays_changed (MrRelaysPage *self)
{
  g_auto (GStrv) urls = g_settings_get_strv (self->settings, "relays");
  g_auto (GStrv) shown = dup_urls (self);
  if (self->items->len != 0 && g_strv_equal ((const char *const *) urls, (const char *const *) shown)) {
    return;
  }
  while (self->items->len != 0) {
    RelayItem *item = g_ptr_array_index (self->items, 0);
    GtkWidget *box = item->box;
    g_ptr_array_remove_index (self->items, 0);
    gtk_box_remove (self->cards, box);
  }
  for (char **url = urls; *url != NULL; url++) {
    add_item (self, *url);
  }
  if (self->items->len == 0) {
    add_item (self, NULL);
  }
}

/* --- the keyring --- */

static void
on_secrets_changed (MrRelaysPage *self)
{
  g_autofree char *sentence = mr_secrets_describe_state (self->secrets);
  gboolean locked = mr_secrets_get_state (self->secrets) == MR_SECRETS_LOCKED;
  gtk_widget_set_visible (self->banner, sentence != NULL);
  gtk_label_set_label (self->banner_text, sentence != NULL ? sentence : "");
  gtk_button_set_label (self->banner_button, locked ? _ ("_Unlock") : _ ("Tr_y again"));
  g_ptr_array_foreach (self->items, (GFunc) (void (*) (void)) show_secret, NULL);
}

static void
load_secrets (MrRelaysPage *self, gboolean unlock)
{
  g_auto (GStrv) urls = dup_urls (self);
  mr_secrets_load_async (self->secrets, (const char *const *) urls, unlock, self->cancellable, NULL, NULL);
}

static void
on_banner (MrRelaysPage *self)
{
  load_secrets (self, TRUE);
}

/* --- for all relays --- */

static char *
check_provider (const char *text, gpointer data)
{
  return mr_field_check_provider (text);
}

static void
apply_provider (const char *text, gpointer data)
{
  g_settings_set_string (MR_RELAYS_PAGE (data)->settings, "provider", text);
}

static const MrFieldFuncs provider_funcs = { check_provider, apply_provider, NULL };

static void
show_general (MrRelaysPage *self)
{
  g_autofree char *provider = g_settings_get_string (self->settings, "provider");
  g_autofree char *ca_file = g_settings_get_string (self->settings, "ca-file");
  g_autofree char *name = *ca_file != '\0' ? g_filename_display_basename (ca_file) : NULL;
  mr_field_set_text (self->provider, provider);
  gtk_label_set_label (self->ca_name, name != NULL ? name : _ ("The system’s certificates"));
  gtk_widget_set_tooltip_text (GTK_WIDGET (self->ca_name), name != NULL ? ca_file : NULL);
  gtk_widget_set_visible (self->ca_clear, name != NULL);
}

static void
on_ca_chosen (GtkNativeDialog *dialog, int response, MrRelaysPage *self)
{
  if (response == GTK_RESPONSE_ACCEPT) {
    g_autoptr (GFile) file = gtk_file_chooser_get_file (GTK_FILE_CHOOSER (dialog));
    g_autofree char *path = file != NULL ? g_file_get_path (file) : NULL;
    if (path != NULL) {
      g_settings_set_string (self->settings, "ca-file", path);
    }
  }
  g_clear_object (&self->chooser);
}

static void
on_choose_ca (MrRelaysPage *self)
{
  g_autoptr (GtkFileFilter) filter = gtk_file_filter_new ();
  g_clear_object (&self->chooser);
  self->chooser = GTK_NATIVE_DIALOG (gtk_file_chooser_native_new (_ ("Choose certificates"),
                                                                  GTK_WINDOW (gtk_widget_get_root (GTK_WIDGET (self))),
                                                                  GTK_FILE_CHOOSER_ACTION_OPEN, NULL, NULL));
  gtk_file_filter_set_name (filter, _ ("Certificates"));
  gtk_file_filter_add_suffix (filter, "pem");
  gtk_file_filter_add_suffix (filter, "crt");
  gtk_file_filter_add_suffix (filter, "cer");
  gtk_file_chooser_add_filter (GTK_FILE_CHOOSER (self->chooser), filter);
  gtk_native_dialog_set_modal (self->chooser, TRUE);
  g_signal_connect (self->chooser, "response", G_CALLBACK (on_ca_chosen), self);
  gtk_native_dialog_show (self->chooser);
}

static void
on_clear_ca (MrRelaysPage *self)
{
  g_settings_reset (self->settings, "ca-file");
}

/* --- the object --- */

void
mr_relays_page_set_up (MrRelaysPage *self, MrReactor *reactor, GSettings *settings, MrSecrets *secrets)
{
  self->reactor = reactor;
  self->settings = g_object_ref (settings);
  self->secrets = g_object_ref (secrets);
  mr_field_attach (self->provider, self->provider_problem, &provider_funcs, self);
  g_signal_connect_object (settings, "changed::relays", G_CALLBACK (on_relays_changed), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (settings, "changed::provider", G_CALLBACK (show_general), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (settings, "changed::ca-file", G_CALLBACK (show_general), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (secrets, "changed", G_CALLBACK (on_secrets_changed), self, G_CONNECT_SWAPPED);
  on_relays_changed (self);
  show_general (self);
  on_secrets_changed (self);
  load_secrets (self, FALSE);
}

static void
mr_relays_page_dispose (GObject *object)
{
  MrRelaysPage *self = MR_RELAYS_PAGE (object);
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->items, g_ptr_array_unref);
  g_clear_object (&self->chooser);
  g_clear_object (&self->settings);
  g_clear_object (&self->secrets);
  G_OBJECT_CLASS (mr_relays_page_parent_class)->dispose (object);
}

static void
mr_relays_page_class_init (MrRelaysPageClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = mr_relays_page_dispose;
  gtk_widget_class_set_template_from_resource (widget_class, "/org/modelrelay/Desktop/preferences-relays.ui");
  gtk_widget_class_bind_template_child (widget_class, MrRelaysPage, banner);
  gtk_widget_class_bind_template_child (widget_class, MrRelaysPage, banner_text);
  gtk_widget_class_bind_template_child (widget_class, MrRelaysPage, banner_button);
  gtk_widget_class_bind_template_child (widget_class, MrRelaysPage, cards);
  gtk_widget_class_bind_template_child (widget_class, MrRelaysPage, provider);
  gtk_widget_class_bind_template_child (widget_class, MrRelaysPage, provider_problem);
  gtk_widget_class_bind_template_child (widget_class, MrRelaysPage, ca_name);
  gtk_widget_class_bind_template_child (widget_class, MrRelaysPage, ca_clear);
  gtk_widget_class_bind_template_callback (widget_class, on_banner);
  gtk_widget_class_bind_template_callback (widget_class, on_add);
  gtk_widget_class_bind_template_callback (widget_class, on_choose_ca);
  gtk_widget_class_bind_template_callback (widget_class, on_clear_ca);
}

static void
mr_relays_page_init (MrRelaysPage *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  self->items = g_ptr_array_new_with_free_func (relay_item_free);
  self->cancellable = g_cancellable_new ();
}
