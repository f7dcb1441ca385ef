/* SPDX-License-Identifier: MIT */
/*
 * Menu, icon and text of the tray in each state, over real sharing and a real relay; without display and bus. That a
 * panel shows them is test-panel's.
 */
#include "sharing-stage.h"
#include "tray.h"
#include "tray-menu.h"

#include <string.h>

typedef struct {
  Stage *stage;
  GApplication *application;
  MrTray *tray;
  MrTrayMenu *menu; /* a second one, brought up to date when it is read */
} Fixture;

static void
fixture_init (Fixture *fixture, Stage *stage)
{
  fixture->stage = stage;
  fixture->application = g_application_new ("org.modelrelay.Test", G_APPLICATION_NON_UNIQUE);
  g_assert_true (g_application_register (fixture->application, NULL, NULL));
  fixture->tray = mr_tray_new (fixture->application, stage->sharing);
  fixture->menu = mr_tray_menu_new ();
}

static void
fixture_clear (Fixture *fixture)
{
  g_auto (GStrv) left = NULL;

  mr_tray_menu_free (fixture->menu);
  mr_tray_free (fixture->tray);
  left = g_action_group_list_actions (G_ACTION_GROUP (fixture->application));
  g_assert_cmpuint (g_strv_length (left), ==, 0);
  g_assert_finalize_object (fixture->application);
  stage_free (fixture->stage);
}

static void
append_menu (GString *text, GMenuModel *model)
{
  const char *links[] = { G_MENU_LINK_SECTION, G_MENU_LINK_SUBMENU };

  for (int i = 0; i < g_menu_model_get_n_items (model); i++) {
    g_autofree char *label = NULL;
    g_autofree char *action = NULL;
    if (g_menu_model_get_item_attribute (model, i, G_MENU_ATTRIBUTE_LABEL, "s", &label))
      g_string_append_printf (text, "%s|", label);
    if (g_menu_model_get_item_attribute (model, i, G_MENU_ATTRIBUTE_ACTION, "s", &action))
      g_string_append_printf (text, "%s|", action);
    for (guint k = 0; k < G_N_ELEMENTS (links); k++) {
      g_autoptr (GMenuModel) below = g_menu_model_get_item_link (model, i, links[k]);
      if (below != NULL)
        append_menu (text, below);
    }
  }
}

/* Labels and actions, each ended with a bar. */
static gboolean
menu_has (Fixture *fixture, const char *words)
{
  g_autoptr (GString) text = g_string_new ("|");

  mr_tray_menu_update (fixture->menu, fixture->stage->sharing);
  append_menu (text, mr_tray_menu_get_model (fixture->menu));
  return strstr (text->str, words) != NULL;
}

static char *
dup_state (Fixture *fixture, const char *action)
{
  g_autoptr (GVariant) state = g_action_group_get_action_state (G_ACTION_GROUP (fixture->application), action);

  return g_variant_print (state, FALSE);
}

static gboolean
is_shown (Fixture *fixture, MrSharingState state, const char *text)
{
  g_autofree char *icon = dup_state (fixture, "indicator-icon");
  g_autofree char *shown = dup_state (fixture, "indicator-text");
  g_autofree char *expected = g_strdup_printf ("'%s'", mr_tray_icon_name (state));

  return g_str_equal (icon, expected) && strstr (shown, text) != NULL;
}

static void
test_disconnected (void)
{
  Fixture fixture;

  fixture_init (&fixture, stage_new ());
  stage_wait_until (fixture.stage, is_shown (&fixture, MR_SHARING_DISCONNECTED, "ModelRelay: Disconnected"));
  g_assert_true (menu_has (&fixture, "|Disconnected|"));
  g_assert_true (menu_has (&fixture, "|app.connect|"));
  g_assert_false (menu_has (&fixture, "app.disconnect"));
  g_assert_false (menu_has (&fixture, "app.pause"));
  g_assert_false (menu_has (&fixture, "_Models"));
  g_assert_true (menu_has (&fixture, "|app.open|"));
  g_assert_true (menu_has (&fixture, "|app.preferences|"));
  g_assert_true (menu_has (&fixture, "|app.about|"));
  g_assert_true (menu_has (&fixture, "|app.quit|"));
  /* No bus: no helper, and a word about it. */
  g_assert_true (mr_indicator_client_is_settled (mr_tray_get_client (fixture.tray)));
  g_assert_false (mr_indicator_client_get_visible (mr_tray_get_client (fixture.tray)));
  mr_sharing_connect (fixture.stage->sharing);
  stage_wait_until (fixture.stage, menu_has (&fixture, "|The settings are not complete|No relay is set up yet|"));
  fixture_clear (&fixture);
}

static void
test_connected (void)
{
  Fixture fixture;
  g_autofree char *line = NULL;
  g_autofree char *server = NULL;
  g_autofree char *shared = NULL;

  fixture_init (&fixture, stage_new_connected ());
  line = g_strdup_printf ("|Connected to 127.0.0.1:%u · 1 model|", fixture.stage->port);
  server = g_strdup_printf ("|Model server: 127.0.0.1:%u|", mrt_backend_get_port (fixture.stage->backend));
  stage_wait_until (fixture.stage, menu_has (&fixture, line));
  g_assert_true (menu_has (&fixture, server));
  g_assert_true (menu_has (&fixture, "|m|app.share-model|"));
  g_assert_true (menu_has (&fixture, "|app.pause|"));
  g_assert_true (menu_has (&fixture, "|app.pause-hour|"));
  g_assert_true (menu_has (&fixture, "|app.pause-tomorrow|"));
  g_assert_true (menu_has (&fixture, "|app.disconnect|"));
  g_assert_false (menu_has (&fixture, "app.hand-back"));
  g_assert_false (menu_has (&fixture, "Requests running"));
  stage_wait_until (fixture.stage, is_shown (&fixture, MR_SHARING_CONNECTED, "Connected to 127.0.0.1"));
  shared = dup_state (&fixture, "share-model");
  g_assert_cmpstr (shared, ==, "['m']");
  fixture_clear (&fixture);
}

static void
test_share_model (void)
{
  Fixture fixture;
  g_autofree char *shared = NULL;

  fixture_init (&fixture, stage_new_connected ());
  g_action_group_activate_action (G_ACTION_GROUP (fixture.application), "share-model", g_variant_new_string ("m"));
  g_assert_false (mr_sharing_is_model_shared (fixture.stage->sharing, "m"));
  shared = dup_state (&fixture, "share-model");
  g_assert_cmpstr (shared, ==, "[]");
  stage_wait_until (fixture.stage, stage_count_models (fixture.stage) == 0);
  g_assert_true (menu_has (&fixture, "|m|app.share-model|"));
  g_action_group_activate_action (G_ACTION_GROUP (fixture.application), "share-model", g_variant_new_string ("m"));
  stage_wait_until (fixture.stage, stage_count_models (fixture.stage) == 1);
  fixture_clear (&fixture);
}

static void
on_text_changed (GActionGroup *group, const char *name, GVariant *state, guint *changes)
{
  (*changes)++;
}

static void
test_relaying (void)
{
  Fixture fixture;
  guint changes = 0;
  gint64 begin_us;

  fixture_init (&fixture, stage_new_connected ());
  g_autoptr (MrtStream) client = stage_post (fixture.stage, STAGE_STREAM);
  g_autoptr (MrtBackendRequest) request = stage_accept (fixture.stage);
  stage_wait_until (fixture.stage, is_shown (&fixture, MR_SHARING_RELAYING, "Relaying 1 request"));
  g_assert_true (menu_has (&fixture, "|Requests running: 1|"));
  g_assert_true (menu_has (&fixture, "|m (1 running)|"));
  g_assert_true (menu_has (&fixture, "|app.hand-back|"));
  mrt_backend_sse_head (request);

  /* Tokens come; menu and text follow, but no more than once a second. */
  begin_us = g_get_monotonic_time ();
  g_signal_connect (fixture.application, "action-state-changed::indicator-text", G_CALLBACK (on_text_changed),
                    &changes);
  for (guint i = 0; i < 20; i++)
    mrt_backend_event (request, "data: {}\n\n");
  stage_wait_until (fixture.stage, menu_has (&fixture, "tokens/s)|"));
  g_assert_cmpuint (changes, <=, 1 + (g_get_monotonic_time () - begin_us) / G_USEC_PER_SEC);

  mr_sharing_hand_back (fixture.stage->sharing);
  stage_wait_until (fixture.stage, is_shown (&fixture, MR_SHARING_PAUSED, "Paused"));
  g_assert_true (menu_has (&fixture, "|app.resume|"));
  g_assert_false (menu_has (&fixture, "|app.pause|"));
  g_assert_false (menu_has (&fixture, "|app.hand-back|"));
  g_clear_pointer (&request, mrt_backend_request_free);
  fixture_clear (&fixture);
}

static void
test_labels (void)
{
  Fixture fixture;
  const char *cut = "|a__very__long__name-0123456789012345678901234567890123456789012345…|app.share-model|";

  fixture_init (&fixture, stage_new_connected ());
  mrt_backend_set_models (fixture.stage->backend,
                          "under_score,a_very_long_name-012345678901234567890123456789012345678901234567890");
  mr_sharing_refresh_models (fixture.stage->sharing);
  stage_wait_until (fixture.stage, menu_has (&fixture, "|under__score|"));
  g_assert_true (menu_has (&fixture, cut));
  fixture_clear (&fixture);
}

static void
on_items_changed (GMenuModel *model, int position, int removed, int added, guint *changes)
{
  (*changes)++;
}

static void
count_changes_of (GMenuModel *model, guint *changes)
{
  g_signal_connect (model, "items-changed", G_CALLBACK (on_items_changed), changes);
  for (int i = 0; i < g_menu_model_get_n_items (model); i++) {
    g_autoptr (GMenuModel) section = g_menu_model_get_item_link (model, i, G_MENU_LINK_SECTION);
    if (section != NULL)
      count_changes_of (section, changes);
  }
}

/* What has not changed is not sent again: an open menu would close. */
static void
test_quiet (void)
{
  Fixture fixture;
  guint changes = 0;

  fixture_init (&fixture, stage_new_connected ());
  stage_wait_until (fixture.stage, menu_has (&fixture, "1 model|"));
  count_changes_of (mr_tray_menu_get_model (fixture.menu), &changes);
  mr_tray_menu_update (fixture.menu, fixture.stage->sharing);
  g_assert_cmpuint (changes, ==, 0);
  mr_sharing_pause (fixture.stage->sharing, MR_PAUSED_UNTIL_RESUMED);
  stage_wait_state (fixture.stage, PAUSED);
  mr_tray_menu_update (fixture.menu, fixture.stage->sharing);
  g_assert_cmpuint (changes, >, 0);
  fixture_clear (&fixture);
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/L1/tray/disconnected", test_disconnected);
  g_test_add_func ("/contract/L1/tray/connected", test_connected);
  g_test_add_func ("/contract/L1/tray/share-model", test_share_model);
  g_test_add_func ("/contract/L1/tray/relaying", test_relaying);
  g_test_add_func ("/tray/labels", test_labels);
  g_test_add_func ("/tray/quiet", test_quiet);
  return g_test_run ();
}
