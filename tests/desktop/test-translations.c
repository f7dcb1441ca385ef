/* SPDX-License-Identifier: MIT */
/*
 * The catalogues of the build directory reach the eye: what is said in C, what stands in .ui files, what the desktop's
 * menu shows; and in no language do two fields of a page share a mnemonic. That a catalogue is complete is for
 * scripts/i18n to say.
 *   test-translations org.modelrelay.Desktop.desktop
 */
#include "prefs-stage.h"
#include "sharing-private.h"

#include "assistant.h"
#include "preferences.h"

#include <glib/gi18n-lib.h>
#include <locale.h>

typedef struct {
  const char *code;
  const char *settings;
  const char *assistant;
  const char *paused;
  const char *one_request;
  const char *two_requests;
  const char *menu_entry;
} Language;

static const Language languages[] = {
  { "de", "Einstellungen", "Freigabe einrichten", "Pausiert", "1 Anfrage in Arbeit", "2 Anfragen in Arbeit",
    "Modellfreigabe" },
  { "fr", "Paramètres", "Configurer le partage", "En pause", "1 requête en cours", "2 requêtes en cours",
    "Partage de modèles" },
  { "es", "Ajustes", "Configurar el uso compartido", "En pausa", "1 petición en curso", "2 peticiones en curso",
    "Uso compartido de modelos" },
  { "en", "Settings", "Set up sharing", "Paused", "Relaying 1 request", "Relaying 2 requests", "Model sharing" },
};

static const char *desktop_file;

/* gettext looks at LANGUAGE again once the locale has changed. */
static void
speak (const Language *language)
{
  g_setenv ("LANGUAGE", language->code, TRUE);
  setlocale (LC_ALL, "C");
  setlocale (LC_ALL, "C.UTF-8");
}

static void
assert_headline (MrSharingState state, guint running, const char *expected)
{
  g_autofree char *headline =
      mr_sharing_headline (&(MrSharingFacts){ .state = state, .wanted = TRUE, .running = running });

  g_assert_cmpstr (headline, ==, expected);
}

static void
test_headline (gconstpointer data)
{
  const Language *language = data;

  speak (language);
  assert_headline (MR_SHARING_PAUSED, 0, language->paused);
  assert_headline (MR_SHARING_RELAYING, 1, language->one_request);
  assert_headline (MR_SHARING_RELAYING, 2, language->two_requests);
}

static void
test_menu_entry (gconstpointer data)
{
  const Language *language = data;
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *name = NULL;

  g_key_file_load_from_file (file, desktop_file, G_KEY_FILE_KEEP_TRANSLATIONS, &error);
  g_assert_no_error (error);
  name = g_key_file_get_locale_string (file, "Desktop Entry", "GenericName", language->code, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (name, ==, language->menu_entry);
}

/* @seen: keyval to the text that has it. What is not on the screen is passed over, as the keyboard does. */
static void
collect_mnemonics (GtkWidget *widget, GHashTable *seen)
{
  if (!gtk_widget_get_mapped (widget)) {
    return;
  }
  if (GTK_IS_LABEL (widget) && gtk_label_get_mnemonic_keyval (GTK_LABEL (widget)) != GDK_KEY_VoidSymbol) {
    gpointer key = GUINT_TO_POINTER (gtk_label_get_mnemonic_keyval (GTK_LABEL (widget)));
    const char *text = gtk_label_get_label (GTK_LABEL (widget));
    if (g_hash_table_contains (seen, key)) {
      g_error ("the same mnemonic: “%s” and “%s”", (char *) g_hash_table_lookup (seen, key), text);
    }
    g_hash_table_insert (seen, key, g_strdup (text));
  }
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child)) {
    collect_mnemonics (child, seen);
  }
}

static gboolean
is_mapped (gpointer widget)
{
  return gtk_widget_get_mapped (widget);
}

static void
check_pages (GtkWindow *window, const char *const *pages, guint n_mnemonics)
{
  GtkStack *stack = GTK_STACK (prefs_stage_find (GTK_WIDGET (window), "stack"));

  gtk_stack_set_transition_type (stack, GTK_STACK_TRANSITION_TYPE_NONE);
  gtk_window_present (window);
  for (guint i = 0; pages[i] != NULL; i++) {
    g_autoptr (GHashTable) seen = g_hash_table_new_full (NULL, NULL, NULL, g_free);
    gtk_stack_set_visible_child_name (stack, pages[i]);
    prefs_stage_wait (is_mapped, gtk_stack_get_visible_child (stack));
    collect_mnemonics (GTK_WIDGET (window), seen);
    g_assert_cmpuint (g_hash_table_size (seen), >=, n_mnemonics);
  }
  gtk_window_destroy (window);
}

static void
test_windows (gconstpointer data)
{
  static const char *const settings_pages[] = { "relays", "server", "rules", "general", NULL };
  static const char *const assistant_pages[] = { "relay", "server", "trial", NULL };
  const Language *language = data;
  MrApplication *application;
  GtkWindow *window;

  speak (language);
  application = prefs_stage_new ();
  window = mr_preferences_new (application, "relays");
  g_assert_cmpstr (gtk_window_get_title (window), ==, language->settings);
  check_pages (window, settings_pages, 7);
  window = mr_assistant_new (application);
  g_assert_cmpstr (gtk_window_get_title (window), ==, language->assistant);
  check_pages (window, assistant_pages, 3);
  prefs_stage_free (application);
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *name;
    GTestDataFunc test;
  } tests[] = { { "headline", test_headline }, { "windows", test_windows }, { "menu-entry", test_menu_entry } };

  /* As in main.c of the app; GLib decides at its first text whether there is a catalogue at all. */
  speak (&languages[0]);
  bindtextdomain (GETTEXT_PACKAGE, MR_LOCALE_DIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  desktop_file = argv[1];
  gtk_init ();
  for (guint i = 0; i < G_N_ELEMENTS (languages); i++) {
    for (guint j = 0; j < G_N_ELEMENTS (tests); j++) {
      g_autofree char *path = g_strdup_printf ("/contract/N5/%s/%s", languages[i].code, tests[j].name);
      g_test_add_data_func (path, &languages[i], tests[j].test);
    }
  }
  return g_test_run ();
}
