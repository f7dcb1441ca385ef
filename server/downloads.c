/* SPDX-License-Identifier: MIT */
/*
 * Packages: who waits for the list, and files sent piece by piece. See downloads.h.
 *
 *   main loop   mr_downloads_send -> .... -> head -> .... -> chunk -> taken by the client -> .... -> chunk -> end
 *   a thread                         open            read                                    read
 */
#include "downloads.h"

#include "admin-json.h"
#include "downloads-list.h"
#include "limits.h"

#include <errno.h>
#include <unistd.h>

#define THREADS 4
#define PIECE_BYTES (256 * 1024)
#define LOW_BYTES (64 * 1024)

/* A client that takes nothing for so long is cut. */
#define STALL_USEC (60 * MR_USEC_PER_SEC)

#define NO_SUCH_FILE "There is no such file; GET /downloads lists those that there are."

struct _MrDownloads {
  MrReactor *reactor; /* Borrowed, as the next one */
  const MrServerConfig *config;
  GThreadPool *pool;     /* Owned; of GTask */
  GQueue waiting;        /* Owned Waiting: for the list */
  GCancellable *listing; /* Owned, nullable: of the thread that makes the list */
  GPtrArray *known;      /* Owned MrDownload, nullable: the last list */
  GQueue sending;        /* Owned Sending */
};

typedef struct {
  GList link; /* in MrDownloads.waiting */
  MrDownloads *downloads;
  MrResponse *response; /* Owned */
  MrDownloadsListed listed;
  gpointer user_data;
} Waiting;

/* What a thread works on. Counted: by who sends it, and by the thread. */
typedef struct {
  char *directory;
  char *name;
  int fd; /* Owned; -1 when it cannot be had */
  guint64 size;
  guint8 piece[PIECE_BYTES];
  gssize length; /* of what was read of it; -1 on an error */
} File;

typedef struct {
  GList link; /* in MrDownloads.sending */
  MrDownloads *downloads;
  MrResponse *response;      /* Owned */
  GCancellable *cancellable; /* Owned: cancelled when this is gone */
  File *file;                /* Owned */
  guint64 left;              /* to be sent */
  MrTimer stall;
} Sending;

/* --- the pool --- */

/* What a thread does; it says the end of it by g_task_return_*(). */
typedef void (*Work) (GTask *task);

static void
run_task (gpointer data, gpointer user_data)
{
  g_autoptr (GTask) task = data;

  ((Work) g_task_get_source_tag (task)) (task);
}

/* @done comes on the main loop, also when @cancellable was cancelled: what it was for is gone then. */
static void
start_task (MrDownloads *downloads, Work work, gpointer task_data, GDestroyNotify free_task_data,
            GCancellable *cancellable, GAsyncReadyCallback done, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, done, user_data);

  g_task_set_source_tag (task, work);
  g_task_set_task_data (task, task_data, free_task_data);
  g_thread_pool_push (downloads->pool, task, NULL);
}

static gboolean
was_cancelled (GAsyncResult *result)
{
  return g_cancellable_is_cancelled (g_task_get_cancellable (G_TASK (result)));
}

/* --- the list --- */

static JsonNode *
report (const GPtrArray *list)
{
  g_autoptr (JsonBuilder) out = json_builder_new ();

  json_builder_begin_array (out);
  for (guint i = 0; list != NULL && i < list->len; i++) {
    const MrDownload *download = list->pdata[i];
    g_autofree char *url = g_strconcat (MR_DOWNLOADS_PREFIX, download->name, NULL);

    json_builder_begin_object (out);
    mr_json_add_string (out, "name", download->name);
    mr_json_add_int (out, "size", download->size);
    mr_json_add_string (out, "sha256", download->sha256);
    mr_json_add_string (out, "url", url);
    json_builder_end_object (out);
  }
  json_builder_end_array (out);
  return json_builder_get_root (out);
}

static void
waiting_free (Waiting *waiting)
{
  g_queue_unlink (&waiting->downloads->waiting, &waiting->link);
  mr_response_free (waiting->response);
  g_free (waiting);
}

static void
on_waiting_gone (MrResponse *response, gpointer user_data)
{
  waiting_free (user_data);
}

static void
on_waiting_drained (MrResponse *response, gpointer user_data)
{
}

static const MrResponseEvents waiting_events = { .gone = on_waiting_gone, .drained = on_waiting_drained };

typedef struct {
  char *directory;
  GPtrArray *known; /* nullable; nobody changes it */
} Listing;

static void
listing_free (gpointer data)
{
  Listing *listing = data;

  g_free (listing->directory);
  g_clear_pointer (&listing->known, g_ptr_array_unref);
  g_free (listing);
}

static void
make_list (GTask *task)
{
  const Listing *listing = g_task_get_task_data (task);

  g_task_return_pointer (task, mr_download_list (listing->directory, listing->known, g_task_get_cancellable (task)),
                         (GDestroyNotify) g_ptr_array_unref);
}

static void
on_listed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MrDownloads *downloads = user_data;

  if (was_cancelled (result))
    return;
  g_clear_object (&downloads->listing);
  g_clear_pointer (&downloads->known, g_ptr_array_unref);
  downloads->known = g_task_propagate_pointer (G_TASK (result), NULL);
  while (downloads->waiting.head != NULL) {
    Waiting *waiting = downloads->waiting.head->data;

    waiting->listed (g_steal_pointer (&waiting->response), report (downloads->known), waiting->user_data);
    waiting_free (waiting);
  }
}

void
mr_downloads_list (MrDownloads *downloads, MrResponse *response, MrDownloadsListed listed, gpointer user_data)
{
  Waiting *waiting;
  Listing *listing;

  if (downloads->config->downloads_dir == NULL) {
    listed (response, report (NULL), user_data);
    return;
  }
  waiting = g_new0 (Waiting, 1);
  *waiting = (Waiting){ { waiting, NULL, NULL }, downloads, response, listed, user_data };
  g_queue_push_tail_link (&downloads->waiting, &waiting->link);
  mr_response_watch (response, &waiting_events, waiting);
  if (downloads->listing != NULL)
    return;
  downloads->listing = g_cancellable_new ();
  listing = g_new0 (Listing, 1);
  listing->directory = g_strdup (downloads->config->downloads_dir);
  listing->known = downloads->known != NULL ? g_ptr_array_ref (downloads->known) : NULL;
  start_task (downloads, make_list, listing, listing_free, downloads->listing, on_listed, downloads);
}

/* --- a file --- */

static void
file_clear (gpointer data)
{
  File *file = data;

  if (file->fd >= 0)
    (void) close (file->fd);
  g_free (file->directory);
  g_free (file->name);
}

static void
file_unref (gpointer data)
{
  g_atomic_rc_box_release_full (data, file_clear);
}

static void
sending_free (Sending *sending)
{
  g_cancellable_cancel (sending->cancellable);
  g_object_unref (sending->cancellable);
  g_queue_unlink (&sending->downloads->sending, &sending->link);
  mr_timer_clear (&sending->stall);
  mr_response_free (sending->response);
  file_unref (sending->file);
  g_free (sending);
}

static void
start_work (Sending *sending, Work work, GAsyncReadyCallback done)
{
  start_task (sending->downloads, work, g_atomic_rc_box_acquire (sending->file), file_unref, sending->cancellable, done,
              sending);
}

static void
read_piece (GTask *task)
{
  File *file = g_task_get_task_data (task);

  do
    file->length = read (file->fd, file->piece, PIECE_BYTES);
  while (file->length < 0 && errno == EINTR);
  g_task_return_boolean (task, TRUE);
}

/* What is left unsaid shows in the length that the head gave. */
static void
on_piece (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Sending *sending = user_data;
  gsize n;

  if (was_cancelled (result))
    return;
  if (sending->file->length <= 0) { /* the file has become shorter, or cannot be read: the client sees a cut */
    sending_free (sending);
    return;
  }
  n = (gsize) MIN ((guint64) sending->file->length, sending->left);
  sending->left -= n;
  mr_timer_set (&sending->stall, mr_reactor_now (sending->downloads->reactor) + STALL_USEC);
  mr_response_chunk (sending->response, (const char *) sending->file->piece, n);
  if (sending->left == 0) {
    mr_response_end (sending->response);
    sending_free (sending);
  } else if (mr_response_get_unsent (sending->response) <= LOW_BYTES) {
    start_work (sending, read_piece, on_piece);
  }
}

static void
begin (Sending *sending)
{
  g_autofree char *disposition = g_strdup_printf ("attachment; filename=\"%s\"", sending->file->name);
  MrHeaders *fields = mr_response_get_fields (sending->response);
  gboolean head = g_str_equal (mr_response_get_request (sending->response)->method, "HEAD");

  sending->left = head ? 0 : sending->file->size;
  mr_headers_set (fields, "content-type", "application/octet-stream");
  mr_headers_set (fields, "content-disposition", disposition);
  mr_headers_set (fields, "cache-control", "no-cache");
  mr_response_begin (sending->response, 200, NULL, (gint64) sending->file->size);
  if (sending->left == 0) {
    mr_response_end (sending->response);
    sending_free (sending);
  } else {
    mr_timer_set (&sending->stall, mr_reactor_now (sending->downloads->reactor) + STALL_USEC);
    start_work (sending, read_piece, on_piece);
  }
}

static void
open_file (GTask *task)
{
  File *file = g_task_get_task_data (task);
  gint64 changed_ns;

  file->fd = mr_download_open (file->directory, file->name, &file->size, &changed_ns);
  g_task_return_boolean (task, TRUE);
}

static void
fail (MrResponse *response, MrErrorCode code, const char *message)
{
  mr_response_fail (response, code, message);
  mr_response_free (response);
}

static void
on_open (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Sending *sending = user_data;

  if (was_cancelled (result))
    return;
  if (sending->file->fd < 0) {
    fail (g_steal_pointer (&sending->response), MR_ERROR_NOT_FOUND, NO_SUCH_FILE);
    sending_free (sending);
  } else {
    begin (sending);
  }
}

static void
on_gone (MrResponse *response, gpointer user_data)
{
  sending_free (user_data);
}

static void
on_drained (MrResponse *response, gpointer user_data)
{
  start_work (user_data, read_piece, on_piece);
}

static const MrResponseEvents sending_events = { .gone = on_gone, .drained = on_drained };

static void
on_stall (MrTimer *timer)
{
  sending_free (MR_OWNER_OF (timer, Sending, stall));
}

static Sending *
sending_new (MrDownloads *downloads, MrResponse *response, const char *name)
{
  Sending *sending = g_new0 (Sending, 1);

  sending->link.data = sending;
  sending->downloads = downloads;
  sending->response = response;
  sending->cancellable = g_cancellable_new ();
  sending->file = g_atomic_rc_box_new0 (File);
  sending->file->directory = g_strdup (downloads->config->downloads_dir);
  sending->file->name = g_strdup (name);
  sending->file->fd = -1;
  mr_timer_init (&sending->stall, downloads->reactor, on_stall);
  g_queue_push_tail_link (&downloads->sending, &sending->link);
  mr_response_watch (response, &sending_events, sending);
  mr_response_set_water (response, LOW_BYTES, LOW_BYTES);
  return sending;
}

void
mr_downloads_send (MrDownloads *downloads, MrResponse *response, const char *name)
{
  g_autofree char *plain = g_uri_unescape_string (name, "/");

  if (plain == NULL || !mr_download_is_name (plain) || downloads->config->downloads_dir == NULL)
    fail (response, MR_ERROR_NOT_FOUND, NO_SUCH_FILE);
  else if (downloads->sending.length >= MR_LIMIT_DOWNLOADS)
    fail (response, MR_ERROR_RATE_LIMIT, "Too many files are being downloaded at the moment; try again later.");
  else
    start_work (sending_new (downloads, response, plain), open_file, on_open);
}

/* --- the downloads themselves --- */

MrDownloads *
mr_downloads_new (MrReactor *reactor, const MrServerConfig *config)
{
  MrDownloads *downloads = g_new0 (MrDownloads, 1);

  downloads->reactor = reactor;
  downloads->config = config;
  downloads->pool = g_thread_pool_new (run_task, NULL, THREADS, FALSE, NULL);
  g_queue_init (&downloads->waiting);
  g_queue_init (&downloads->sending);
  return downloads;
}

void
mr_downloads_free (MrDownloads *downloads)
{
  if (downloads == NULL)
    return;
  while (downloads->waiting.head != NULL)
    waiting_free (downloads->waiting.head->data);
  while (downloads->sending.head != NULL)
    sending_free (downloads->sending.head->data);
  if (downloads->listing != NULL)
    g_cancellable_cancel (downloads->listing);
  g_thread_pool_free (downloads->pool, FALSE, TRUE);
  g_clear_object (&downloads->listing);
  g_clear_pointer (&downloads->known, g_ptr_array_unref);
  g_free (downloads);
}
