/* SPDX-License-Identifier: MIT */
/*
 * Who is there, and what of their totals has been told. See crew.h.
 */
#include "crew.h"

typedef struct {
  MrWorker *worker; /* Owned */
  MrWorkerTotals told;
} Member;

struct _MrCrew {
  MrReactor *reactor; /* Borrowed: outlives us */
  const MrCrewEvents *events;
  gpointer data;
  GPtrArray *members; /* Owned: of Member */
  Member *present;    /* Borrowed from `members`; NULL while there is none */
};

static void
free_member (gpointer data)
{
  Member *member = data;

  g_object_unref (member->worker);
  g_free (member);
}

static void
count (MrCrew *self, Member *member)
{
  const MrWorkerTotals *told = &member->told;
  MrWorkerTotals now;

  mr_worker_get_totals (member->worker, &now);
  const MrSharingToday more = {
    .requests = now.requests - told->requests,
    .failed = now.failed - told->failed,
    .prompt_tokens = now.prompt_tokens - told->prompt_tokens,
    .completion_tokens = now.completion_tokens - told->completion_tokens,
  };
  guint64 events = now.events - told->events;
  member->told = now;
  if (more.requests > 0 || events > 0) {
    self->events->done (&more, events, self->data);
  }
}

static Member *
find (MrCrew *self, MrWorker *worker)
{
  for (guint i = 0; i < self->members->len; i++) {
    Member *member = g_ptr_array_index (self->members, i);
    if (member->worker == worker) {
      return member;
    }
  }
  return NULL;
}

/* Whatever still runs there ends now. */
static void
drop (MrCrew *self, Member *member)
{
  g_signal_handlers_disconnect_by_data (member->worker, self);
  mr_worker_stop (member->worker);
  count (self, member);
  if (self->present == member) {
    self->present = NULL;
  }
  g_ptr_array_remove_fast (self->members, member);
}

static void
on_worker_changed (MrWorker *worker, GParamSpec *pspec, gpointer data)
{
  MrCrew *self = data;

  count (self, find (self, worker));
  self->events->changed (self->data);
}

static void
on_worker_drained (MrWorker *worker, gpointer data)
{
  MrCrew *self = data;
  Member *member = find (self, worker);

  count (self, member);
  if (member != self->present) {
    drop (self, member);
  }
  self->events->drained (self->data);
}

MrCrew *
mr_crew_new (MrReactor *reactor, const MrCrewEvents *events, gpointer data)
{
  MrCrew *self = g_new0 (MrCrew, 1);

  self->reactor = reactor;
  self->events = events;
  self->data = data;
  self->members = g_ptr_array_new_with_free_func (free_member);
  return self;
}

void
mr_crew_free (MrCrew *self)
{
  if (self == NULL) {
    return;
  }
  mr_crew_drop_all (self);
  g_ptr_array_unref (self->members);
  g_free (self);
}

MrWorker *
mr_crew_get_present (MrCrew *self)
{
  return self->present != NULL ? self->present->worker : NULL;
}

void
mr_crew_hire (MrCrew *self, MrWorkerConfig *config)
{
  Member *member = g_new0 (Member, 1);

  g_return_if_fail (self->present == NULL);
  member->worker = mr_worker_new (self->reactor, config);
  /* All properties are notified together. */
  g_signal_connect (member->worker, "notify::state", G_CALLBACK (on_worker_changed), self);
  g_signal_connect (member->worker, "drained", G_CALLBACK (on_worker_drained), self);
  g_ptr_array_add (self->members, member);
  self->present = member;
}

void
mr_crew_retire (MrCrew *self)
{
  Member *member = g_steal_pointer (&self->present);

  if (member == NULL) {
    return;
  }
  if (mr_worker_get_state (member->worker) == MR_WORKER_STOPPED) {
    drop (self, member);
  } else {
    mr_worker_drain (member->worker);
  }
}

void
mr_crew_drop_all (MrCrew *self)
{
  while (self->members->len > 0) {
    drop (self, g_ptr_array_index (self->members, 0));
  }
}

gboolean
mr_crew_all_have_stopped (MrCrew *self)
{
  for (guint i = 0; i < self->members->len; i++) {
    Member *member = g_ptr_array_index (self->members, i);
    if (mr_worker_get_state (member->worker) != MR_WORKER_STOPPED) {
      return FALSE;
    }
  }
  return TRUE;
}

void
mr_crew_count (MrCrew *self)
{
  for (guint i = 0; i < self->members->len; i++) {
    count (self, g_ptr_array_index (self->members, i));
  }
}

guint
mr_crew_get_running (MrCrew *self)
{
  guint running = 0;

  for (guint i = 0; i < self->members->len; i++) {
    Member *member = g_ptr_array_index (self->members, i);
    running += mr_worker_get_load (member->worker);
  }
  return running;
}

void
mr_crew_foreach_request (MrCrew *self, void (*visit) (const MrWorkerRequest *request, gpointer data), gpointer data)
{
  for (guint i = 0; i < self->members->len; i++) {
    Member *member = g_ptr_array_index (self->members, i);
    mr_worker_foreach_request (member->worker, visit, data);
  }
}
