/* SPDX-License-Identifier: MIT */
/*
 * The relay's line of status for a service manager. See server-notify.h.
 */
#include "server-notify.h"

#include "admin-report.h"
#include "notify.h"

struct _MrServerNotify {
  MrAdminParts parts; /* Borrowed */
  MrNotify *notify;   /* Owned */
  gboolean stopping;
};

static char *
dup_status (gpointer data)
{
  MrServerNotify *self = data;
  guint workers = mr_worker_registry_get_length (mr_relay_get_registry (self->parts.relay));

  return g_strdup_printf ("%s%u %s; requests: %u running, %u waiting%s", self->stopping ? "draining; " : "", workers,
                          workers == 1 ? "worker" : "workers", mr_admin_report_count_in_flight (&self->parts),
                          mr_relay_get_queue_depth (self->parts.relay),
                          mr_key_store_get_problem (self->parts.store) != NULL ? "; key database out of reach" : "");
}

static void
on_job_changed (MrRelay *relay, const MrJob *job, gpointer data)
{
  MrServerNotify *self = data;

  mr_notify_status_changed (self->notify);
}

static void
on_worker_changed (MrRelay *relay, const MrWorkerSession *session, MrWorkerChange change, gpointer data)
{
  MrServerNotify *self = data;

  mr_notify_status_changed (self->notify);
}

static const MrRelayObserver observer = { .job_changed = on_job_changed, .worker_changed = on_worker_changed };

MrServerNotify *
mr_server_notify_new (const MrAdminParts *parts)
{
  MrServerNotify *self = g_new0 (MrServerNotify, 1);

  self->parts = *parts;
  self->notify = mr_notify_new (parts->reactor, dup_status, self);
  mr_relay_observe (parts->relay, &observer, self);
  return self;
}

void
mr_server_notify_free (MrServerNotify *self)
{
  if (self == NULL)
    return;
  mr_relay_unobserve (self->parts.relay, self);
  mr_notify_free (self->notify);
  g_free (self);
}

void
mr_server_notify_ready (MrServerNotify *self)
{
  mr_notify_ready (self->notify);
}

void
mr_server_notify_reloading (MrServerNotify *self)
{
  mr_notify_reloading (self->notify);
}

void
mr_server_notify_stopping (MrServerNotify *self, gint64 time_us)
{
  self->stopping = TRUE;
  mr_notify_stopping (self->notify, time_us);
}
