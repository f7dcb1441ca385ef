/* SPDX-License-Identifier: MIT */
/* What a worker says of itself, made sane: server/registration.c. */
#include "registration.h"

#include "limits.h"

#include <string.h>

static void
check_warning (MrRegistration *registration, const char *part)
{
  g_assert_cmpuint (g_strv_length (registration->warnings), ==, 1);
  g_assert_nonnull (strstr (registration->warnings[0], part));
}

static void
register_as (MrRegistration *registration, const char *name, char **models, gint64 max_concurrent)
{
  mr_registration_init (registration, &(MrMessage){ MR_MESSAGE_INIT (REGISTER), .worker_name = (char *) name,
                                                    .models = models, .max_concurrent = max_concurrent });
}

static void
test_sane (void)
{
  char *models[] = { (char *) "a", (char *) "b/c:1", (char *) "*", NULL };
  g_auto (MrRegistration) registration = { 0 };

  register_as (&registration, "box", models, 4);
  g_assert_cmpstr (registration.worker_name, ==, "box");
  g_assert_cmpuint (g_strv_length (registration.models), ==, 3);
  g_assert_cmpstr (registration.models[1], ==, "b/c:1");
  g_assert_cmpuint (registration.max_concurrent, ==, 4);
  g_assert_cmpuint (g_strv_length (registration.warnings), ==, 0);
}

static void
test_white_space (void)
{
  char *models[] = { (char *) " a", (char *) "b\t", NULL };
  g_auto (MrRegistration) registration = { 0 };

  register_as (&registration, " box ", models, 4);
  g_assert_cmpstr (registration.worker_name, ==, "box");
  g_assert_cmpstr (registration.models[0], ==, "a");
  g_assert_cmpstr (registration.models[1], ==, "b");
  g_assert_cmpuint (g_strv_length (registration.warnings), ==, 2);
}

static void
test_names (void)
{
  char *none[] = { NULL };
  g_autofree char *length = g_strnfill (MR_LIMIT_WORKER_NAME_BYTES - 1, 'x');
  g_autofree char *long_name = g_strconcat (length, "éé", NULL);

  {
    g_auto (MrRegistration) registration = { 0 };

    register_as (&registration, long_name, none, 1);
    g_assert_cmpstr (registration.worker_name, ==, length); /* not half an é */
    check_warning (&registration, "128");
  }
  {
    g_auto (MrRegistration) registration = { 0 };

    register_as (&registration, "  ", none, 1);
    g_assert_cmpstr (registration.worker_name, ==, "worker");
    check_warning (&registration, "empty");
  }
  {
    g_auto (MrRegistration) registration = { 0 };

    register_as (&registration, "a\r\nb", none, 1);
    g_assert_cmpstr (registration.worker_name, ==, "a__b");
    check_warning (&registration, "Control");
  }
}

static void
test_models (void)
{
  g_autofree char *long_model = g_strnfill (MR_LIMIT_MODEL_NAME_BYTES + 1, 'm');
  char *models[] = { (char *) "a", (char *) "", (char *) "a", (char *) "b", long_model, NULL };
  g_auto (MrRegistration) registration = { 0 };

  register_as (&registration, "w", models, 1);
  g_assert_cmpuint (g_strv_length (registration.models), ==, 2);
  g_assert_cmpstr (registration.models[0], ==, "a");
  g_assert_cmpstr (registration.models[1], ==, "b");
  g_assert_cmpuint (g_strv_length (registration.warnings), ==, 3);
}

static void
test_too_many_models (void)
{
  g_autoptr (GPtrArray) models = g_ptr_array_new_with_free_func (g_free);
  g_auto (MrRegistration) registration = { 0 };

  for (int i = 0; i < MR_LIMIT_MODELS + 5; i++)
    g_ptr_array_add (models, g_strdup_printf ("m%d", i));
  g_ptr_array_add (models, NULL);
  register_as (&registration, "w", (char **) models->pdata, 1);
  g_assert_cmpuint (g_strv_length (registration.models), ==, MR_LIMIT_MODELS);
  check_warning (&registration, "5 models");
}

static void
test_concurrency (void)
{
  char *none[] = { NULL };
  g_auto (MrRegistration) low = { 0 };
  g_auto (MrRegistration) high = { 0 };

  register_as (&low, "w", none, 0);
  g_assert_cmpuint (low.max_concurrent, ==, 1);
  check_warning (&low, "raised to 1");
  register_as (&high, "w", none, G_MAXINT64);
  g_assert_cmpuint (high.max_concurrent, ==, MR_LIMIT_MAX_CONCURRENT);
  check_warning (&high, "lowered to 4096");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/registration/sane", test_sane);
  g_test_add_func ("/registration/white-space", test_white_space);
  g_test_add_func ("/registration/names", test_names);
  g_test_add_func ("/registration/models", test_models);
  g_test_add_func ("/registration/too-many-models", test_too_many_models);
  g_test_add_func ("/registration/concurrency", test_concurrency);
  return g_test_run ();
}
