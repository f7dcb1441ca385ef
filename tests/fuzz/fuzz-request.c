/* SPDX-License-Identifier: MIT */
/*
 * A request's body as the relay reads it: model and stream, where the model's name stands, the body behind an alias,
 * and the marks of its conversation. The first byte chooses JSON or a form.
 */
#include "admission.h"
#include "affinity.h"
#include "fuzz.h"
#include "job.h"

#include <string.h>

#define FORM "multipart/form-data; boundary=b"
#define ALIAS_OF "another \"model\""

/* The worker's body names the other model, and nothing else of it has changed. */
static void
check_alias (GBytes *body, const char *type, const MrAdmission *admission)
{
  g_auto (MrAdmission) again = { 0 };
  MrAdmission copy = *admission;
  MrJob *job;
  gsize length;
  gsize old_length;
  const char *old = g_bytes_get_data (body, &old_length);
  const char *text;
  gsize end = admission->model_offset + admission->model_length;

  copy.model = g_strdup (admission->model);
  job = mr_job_new (NULL, NULL, &copy);
  job->client_body = g_bytes_ref (body);
  job->body = g_bytes_ref (body);
  mr_job_set_model (job, ALIAS_OF);
  text = g_bytes_get_data (job->body, &length);
  g_assert (end <= old_length);
  g_assert (memcmp (text, old, admission->model_offset) == 0);
  g_assert (memcmp (text + length - (old_length - end), old + end, old_length - end) == 0);
  g_assert (mr_admission_check ("/v1/chat/completions", type, job->body, &again, NULL));
  g_assert (strcmp (again.model, ALIAS_OF) == 0 && again.is_streaming == admission->is_streaming);
  mr_job_free (job);
}

/* The same body gives the same marks; a worker that got it holds it; sizes and shares are in their bounds. */
static void
check_affinity (const char *text, gsize length)
{
  g_auto (MrAffinityKey) key = { 0 };
  g_auto (MrAffinityKey) same = { 0 };
  g_autoptr (MrAffinity) affinity = mr_affinity_new ();
  MrAffinityHolder holders[MR_AFFINITY_MAX_HOLDERS];
  guint n;

  mr_affinity_key_init (&key, "m", NULL, text, length);
  mr_affinity_key_init (&same, "m", NULL, text, length);
  g_assert (key.session == same.session && key.n_marks == same.n_marks && key.n_marks <= MR_AFFINITY_MAX_MARKS);
  for (guint i = 0; i < key.n_marks; i++) {
    g_assert (key.marks[i].hash == same.marks[i].hash);
    g_assert (key.marks[i].held >= 0 && key.marks[i].held <= 1);
  }
  g_assert (mr_affinity_find_holders (affinity, &key, 1, holders) == 0);
  mr_affinity_note (affinity, &key, "w", 1);
  n = mr_affinity_find_holders (affinity, &key, 2, holders);
  g_assert (n <= 1 && (n == 1) == (key.n_marks > 0 || key.session != 0));
  g_assert (n == 0 || strcmp (holders[0].worker_id, "w") == 0);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  const char *type = (fuzz_take_byte (&data, &length) & 1) != 0 ? FORM : "application/json";
  g_autofree char *text = fuzz_dup (data, length);
  g_autoptr (GBytes) body = g_bytes_new_static (text, length);
  g_auto (MrAdmission) admission = { 0 };
  g_autoptr (GError) error = NULL;

  check_affinity (text, length);
  if (!mr_admission_check ("/v1/chat/completions", type, body, &admission, &error)) {
    g_assert (error != NULL && admission.model == NULL);
    return 0;
  }
  g_assert (admission.model[0] != '\0');
  check_alias (body, type, &admission);
  return 0;
}
