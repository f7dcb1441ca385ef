/* SPDX-License-Identifier: MIT */
/* The relay's certificate while it runs. See certificate.h. */
#include "certificate.h"

#include "limits.h"
#include "log.h"

#include <sys/stat.h>

/* Certificate and key are replaced one after the other. */
#define SETTLE_USEC (500 * MR_USEC_PER_MSEC)

#define DAY_SECS 86400
#define DAY_USEC (DAY_SECS * MR_USEC_PER_SEC)
#define WARNING_DAYS 14

struct _MrCertificate {
  MrReactor *reactor;           /* Borrowed */
  const MrServerConfig *config; /* Borrowed; what it holds changes on a reload */
  MrHttpIntake *intake;         /* Borrowed */
  GPtrArray *monitors;          /* Owned: GFileMonitor of the directories */
  struct stat seen[2];          /* of certificate and key, when they were last read */
  MrTimer settle;
  MrTimer daily;
  gboolean settling;
};

static char *
write_time (gint64 time)
{
  g_autoptr (GDateTime) date = g_date_time_new_from_unix_utc (time);

  return date != NULL ? g_date_time_format (date, "%Y-%m-%dT%H:%M:%SZ") : g_strdup ("never");
}

/* --- what is said of it --- */

static void
warn_of_end (MrCertificate *self)
{
  MrTlsIdentity *identity = mr_http_intake_get_identity (self->intake);
  gint64 expiry = mr_tls_identity_get_expiry (identity);
  gint64 left = expiry - g_get_real_time () / MR_USEC_PER_SEC;
  g_autofree char *date = write_time (expiry);
  g_autofree char *days = g_strdup_printf ("%" G_GINT64_FORMAT, left / DAY_SECS);

  if (left <= 0)
    mr_log (MR_LOG_WARN, "certificate has expired", "file", self->config->tls_cert, "expires", date, NULL);
  else if (left < WARNING_DAYS * DAY_SECS)
    mr_log (MR_LOG_WARN, "certificate expires soon", "file", self->config->tls_cert, "expires", date, "days", days,
            NULL);
}

static void
tell_of_new (MrCertificate *self, MrTlsIdentity *identity)
{
  g_autofree char *date = write_time (mr_tls_identity_get_expiry (identity));

  mr_log (MR_LOG_INFO, "certificate loaded", "file", self->config->tls_cert, "expires", date, "pin",
          mr_tls_identity_get_pin (identity), NULL);
  if ((self->seen[1].st_mode & S_IROTH) != 0)
    mr_log (MR_LOG_WARN, "key is readable by everybody", "file", self->config->tls_key, NULL);
  warn_of_end (self);
}

/* --- reading --- */

/* The time of the change and not of the contents: a key may have become readable. */
static gboolean
is_same_file (const struct stat *a, const struct stat *b)
{
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
         a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* TRUE when one of the files is another than it was. */
static gboolean
look_at_files (MrCertificate *self)
{
  struct stat now[2] = { { 0 }, { 0 } };
  gboolean changed;

  /* What is missing looks like nothing; reading it will say so. */
  (void) stat (self->config->tls_cert, &now[0]);
  (void) stat (self->config->tls_key, &now[1]);
  changed = !is_same_file (&now[0], &self->seen[0]) || !is_same_file (&now[1], &self->seen[1]);
  self->seen[0] = now[0];
  self->seen[1] = now[1];
  return changed;
}

static gboolean
read_files (MrCertificate *self, GError **error)
{
  g_autoptr (MrTlsIdentity) identity = mr_tls_identity_new (self->config->tls_cert, self->config->tls_key, error);

  if (identity == NULL)
    return FALSE;
  if (!mr_tls_identity_equal (identity, mr_http_intake_get_identity (self->intake))) {
    mr_http_intake_set_identity (self->intake, identity);
    tell_of_new (self, identity);
  }
  return TRUE;
}

static void
reread_files (MrCertificate *self)
{
  g_autoptr (GError) error = NULL;

  if (look_at_files (self) && !read_files (self, &error))
    mr_log (MR_LOG_WARN, "certificate not reloaded", "error", error->message, NULL);
}

/* --- when --- */

static void
on_settled (MrTimer *timer)
{
  MrCertificate *self = MR_OWNER_OF (timer, MrCertificate, settle);

  self->settling = FALSE;
  reread_files (self);
}

static void
on_day (MrTimer *timer)
{
  MrCertificate *self = MR_OWNER_OF (timer, MrCertificate, daily);

  mr_timer_set (timer, mr_reactor_now (self->reactor) + DAY_USEC);
  reread_files (self);
  warn_of_end (self);
}

static void
on_directory_changed (GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event, gpointer data)
{
  MrCertificate *self = data;

  if (self->settling)
    return;
  self->settling = TRUE;
  mr_timer_set (&self->settle, mr_reactor_now (self->reactor) + SETTLE_USEC);
}

/* The directory and not the file: what changes may be a symbolic link in it, the file's own or one on the way to it. */
static void
watch_directory_of (MrCertificate *self, const char *path)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GFile) directory = g_file_get_parent (file);
  g_autoptr (GError) error = NULL;
  GFileMonitor *monitor = g_file_monitor_directory (directory, G_FILE_MONITOR_WATCH_MOVES, NULL, &error);

  if (monitor == NULL) {
    mr_log (MR_LOG_WARN, "certificate is not watched", "file", path, "error", error->message, NULL);
    return;
  }
  g_signal_connect (monitor, "changed", G_CALLBACK (on_directory_changed), self);
  g_ptr_array_add (self->monitors, monitor);
}

static void
stop_watching (MrCertificate *self)
{
  for (guint i = 0; i < self->monitors->len; i++)
    g_signal_handlers_disconnect_by_data (g_ptr_array_index (self->monitors, i), self);
  g_ptr_array_set_size (self->monitors, 0);
  mr_timer_clear (&self->settle);
  mr_timer_clear (&self->daily);
  self->settling = FALSE;
}

/* --- life --- */

MrCertificate *
mr_certificate_new (MrReactor *reactor, const MrServerConfig *config, MrHttpIntake *intake)
{
  MrCertificate *self = g_new0 (MrCertificate, 1);

  self->reactor = reactor;
  self->config = config;
  self->intake = intake;
  self->monitors = g_ptr_array_new_with_free_func (g_object_unref);
  mr_timer_init (&self->settle, reactor, on_settled);
  mr_timer_init (&self->daily, reactor, on_day);
  return self;
}

void
mr_certificate_free (MrCertificate *self)
{
  if (self == NULL)
    return;
  stop_watching (self);
  g_ptr_array_unref (self->monitors);
  g_free (self);
}

gboolean
mr_certificate_start (MrCertificate *self, GError **error)
{
  if (self->config->tls_cert == NULL) {
    stop_watching (self);
    mr_http_intake_set_identity (self->intake, NULL);
    return TRUE;
  }
  (void) look_at_files (self);
  if (!read_files (self, error))
    return FALSE;
  stop_watching (self);
  watch_directory_of (self, self->config->tls_cert);
  watch_directory_of (self, self->config->tls_key);
  mr_timer_set (&self->daily, mr_reactor_now (self->reactor) + DAY_USEC);
  return TRUE;
}
