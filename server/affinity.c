/* SPDX-License-Identifier: MIT */
/*
 * Conversations as chains of hashes, and who holds them. See affinity.h.
 *
 *   tools system  user  answer  tool result  answer  user
 *   +--+--+--+--+-----T-------+------------T-------+-----T   T: a turn's end   +: a window
 *
 * A prompt is the next turn of a conversation when it goes on where an earlier one ended, so its marks stand where
 * turns end: before each answer, and at the end. The answer itself came from the worker, so who has got a turn holds
 * the answer after it too. Windows tell long texts apart that begin alike. All marks stand at places that later turns
 * do not move.
 *
 * Each mark counts the conversations that passed it: one more whenever a prompt goes on from it otherwise than an
 * earlier one did, or is an earlier one again. A mark of many conversations is a common beginning. It says nothing,
 * because every worker has soon seen it, and would draw them all to one.
 *
 * Hashes are keyed, so that no client can make its prompt look like another's. Not for secrets: only a worker's choice
 * hangs on them.
 */
#include "affinity.h"

#include "json.h"
#include "limits.h"

#include <string.h>
#include <sys/random.h>

#define WINDOW_GROWTH 8 /* a window is at least this part of what came before it */
#define ENTRY_WORKERS 4

const char *const mr_affinity_session_headers[] = { "x-session-affinity", "x-session-id", "x-claude-code-session-id",
                                                    "session-id",         "thread-id",    NULL };

/* --- Hashes --- */

typedef struct {
  guint64 words[4];
} Secret;

/* Chosen once for the process. */
static const Secret *
get_secret (void)
{
  static Secret secret;
  static gsize chosen;

  if (g_once_init_enter (&chosen)) {
    if (getrandom (&secret, sizeof secret, 0) != sizeof secret)
      g_error ("no random numbers from the kernel");
    g_once_init_leave (&chosen, 1);
  }
  return &secret;
}

/* Both halves of the product, one over the other. */
static guint64
fold_multiply (guint64 a, guint64 b)
{
#ifdef __SIZEOF_INT128__
  unsigned __int128 product = (unsigned __int128) a * b;

  return (guint64) product ^ (guint64) (product >> 64);
#else
  guint64 low = (a & G_MAXUINT32) * (b & G_MAXUINT32);
  guint64 middle = (a >> 32) * (b & G_MAXUINT32) + (low >> 32);
  guint64 other = (a & G_MAXUINT32) * (b >> 32) + (middle & G_MAXUINT32);
  guint64 high = (a >> 32) * (b >> 32) + (middle >> 32) + (other >> 32);

  return (other << 32 | (low & G_MAXUINT32)) ^ high;
#endif
}

/* Hashes on from @hash: folded 64-bit multiplications (the scheme of wyhash), 16 bytes at a time. */
static guint64
hash_bytes (guint64 hash, const char *data, gsize length)
{
  const Secret *secret = get_secret ();
  guint64 words[2] = { 0 };
  gsize left = length;

  for (; left >= sizeof words; data += sizeof words, left -= sizeof words) {
    memcpy (words, data, sizeof words);
    hash = fold_multiply (words[0] ^ secret->words[0], words[1] ^ hash);
  }
  memset (words, 0, sizeof words);
  memcpy (words, data, left);
  hash = fold_multiply (words[0] ^ secret->words[1], words[1] ^ hash);
  return fold_multiply (hash ^ secret->words[2], length ^ secret->words[3]);
}

static guint64
hash_span (guint64 hash, MrSpan span)
{
  return hash_bytes (hash, span.data, span.length);
}

/* --- A prompt's marks --- */

typedef struct {
  guint64 hash;
  guint64 length;      /* of the prompt so far */
  guint64 next_window; /* where the next window ends */
  struct {
    guint64 hash;
    guint64 held;                 /* bytes */
  } marks[MR_AFFINITY_MAX_MARKS]; /* a ring */
  guint n_marks;                  /* ever */
  guint turn;                     /* the number of the mark of the last turn's end, plus 1; 0 before the first */
} Prompt;

static void
prompt_mark (Prompt *prompt)
{
  guint at = prompt->n_marks++ % MR_AFFINITY_MAX_MARKS;

  prompt->marks[at].hash = prompt->hash;
  prompt->marks[at].held = prompt->length;
}

static void
prompt_append (Prompt *prompt, MrSpan text)
{
  while (text.length > 0) {
    gsize length = MIN (text.length, prompt->next_window - prompt->length);

    prompt->hash = hash_bytes (prompt->hash, text.data, length);
    prompt->length += length;
    text.data += length;
    text.length -= length;
    if (prompt->length == prompt->next_window) {
      gsize windows = prompt->length / (WINDOW_GROWTH * MR_AFFINITY_WINDOW_BYTES);

      prompt->next_window += MAX (windows, 1) * MR_AFFINITY_WINDOW_BYTES;
      prompt_mark (prompt);
    }
  }
}

static void
prompt_end_turn (Prompt *prompt)
{
  prompt_mark (prompt);
  prompt->turn = prompt->n_marks;
}

/* What was appended since the last turn's end came from the worker that had that turn. */
static void
prompt_hold_answer (Prompt *prompt)
{
  if (prompt->turn > 0 && prompt->n_marks - prompt->turn < MR_AFFINITY_MAX_MARKS)
    prompt->marks[(prompt->turn - 1) % MR_AFFINITY_MAX_MARKS].held = prompt->length;
}

static gboolean
span_equal (MrSpan a, MrSpan b)
{
  return a.length == b.length && memcmp (a.data, b.data, a.length) == 0;
}

static gboolean
span_has_suffix (MrSpan span, MrSpan suffix)
{
  return span.length >= suffix.length &&
         memcmp (span.data + span.length - suffix.length, suffix.data, suffix.length) == 0;
}

/* A message of the role `assistant`; in the Responses API also an item without a role that is no tool's output. */
static gboolean
is_answer (const MrJsonValue *message)
{
  MrJsonIter iter;
  MrJsonValue name, value;
  gboolean is_item = FALSE;

  if (message->type != MR_JSON_OBJECT || !mr_json_iter_init (&iter, message))
    return FALSE;
  while (mr_json_iter_next (&iter, &name, &value)) {
    if (span_equal (name.text, MR_SPAN_LITERAL ("\"role\"")))
      return span_equal (value.text, MR_SPAN_LITERAL ("\"assistant\""));
    if (span_equal (name.text, MR_SPAN_LITERAL ("\"type\"")))
      is_item = !span_has_suffix (value.text, MR_SPAN_LITERAL ("_output\""));
  }
  return is_item;
}

static void
prompt_append_messages (Prompt *prompt, const MrJsonValue *messages)
{
  MrJsonIter iter;
  MrJsonValue message;
  gboolean turn_is_open = FALSE; /* what came last is no answer */

  if (messages->type != MR_JSON_ARRAY || !mr_json_iter_init (&iter, messages)) {
    prompt_append (prompt, messages->text);
    prompt_end_turn (prompt);
    return;
  }
  while (mr_json_iter_next (&iter, NULL, &message)) {
    gboolean answer = is_answer (&message);

    if (answer && turn_is_open)
      prompt_end_turn (prompt);
    prompt_append (prompt, message.text);
    if (answer)
      prompt_hold_answer (prompt);
    turn_is_open = !answer;
  }
  if (turn_is_open)
    prompt_end_turn (prompt);
}

static void
take_marks (const Prompt *prompt, MrAffinityKey *key)
{
  guint first;

  key->n_marks = MIN (prompt->n_marks, MR_AFFINITY_MAX_MARKS);
  key->marks = g_new (MrAffinityMark, key->n_marks);
  first = prompt->n_marks - key->n_marks;
  for (guint i = 0; i < key->n_marks; i++) {
    guint at = (first + i) % MR_AFFINITY_MAX_MARKS;

    key->marks[i].hash = prompt->marks[at].hash;
    key->marks[i].held = (double) prompt->marks[at].held / (double) prompt->length;
  }
}

static gboolean
is_named (const MrJsonValue *value)
{
  return value->type == MR_JSON_STRING && value->text.length > 2;
}

static void
take_session (MrAffinityKey *key, guint64 seed, const MrJsonValue *cache_key, const MrJsonValue *metadata,
              const MrJsonValue *user)
{
  const MrJsonValue user_id = mr_json_member (metadata, "user_id");

  if (is_named (cache_key)) {
    key->session = hash_span (seed, cache_key->text);
  } else if (is_named (&user_id) || is_named (user)) {
    key->session = hash_span (seed, is_named (&user_id) ? user_id.text : user->text);
    key->names_user = TRUE;
  }
}

void
mr_affinity_key_init (MrAffinityKey *key, const char *model, const char *session, const char *body, gsize length)
{
  enum { TOOLS, SYSTEM, INSTRUCTIONS, MESSAGES, INPUT, PROMPT, CACHE_KEY, METADATA, USER, N_NAMES };
  static const char *const names[N_NAMES] = { "tools",  "system",           "instructions", "messages", "input",
                                              "prompt", "prompt_cache_key", "metadata",     "user" };
  MrJsonValue values[N_NAMES];
  guint64 seed = hash_bytes (0, model, strlen (model));
  Prompt prompt = { .hash = seed, .next_window = MR_AFFINITY_WINDOW_BYTES };

  *key = (MrAffinityKey){ 0 };
  if (session != NULL && session[0] != '\0')
    key->session = hash_bytes (seed, session, strlen (session));
  if (length == 0 || !mr_json_scan_members (body, length, names, values, N_NAMES, NULL))
    return;
  if (key->session == 0)
    take_session (key, seed, &values[CACHE_KEY], &values[METADATA], &values[USER]);
  for (guint i = TOOLS; i < MESSAGES; i++)
    if (values[i].type != MR_JSON_NONE)
      prompt_append (&prompt, values[i].text);
  for (guint i = MESSAGES; i <= PROMPT; i++)
    if (values[i].type != MR_JSON_NONE)
      prompt_append_messages (&prompt, &values[i]);
  if (prompt.n_marks > 0)
    take_marks (&prompt, key);
}

void
mr_affinity_key_clear (MrAffinityKey *key)
{
  g_clear_pointer (&key->marks, g_free);
  *key = (MrAffinityKey){ 0 };
}

/* --- Memory --- */

/* A mark or a session. */
typedef struct {
  guint64 hash; /* first: the table's key */
  gint64 used_us;
  GList link;                     /* in MrAffinity.order */
  guint32 workers[ENTRY_WORKERS]; /* numbers; the last one that got it first; 0 for none */
  guint16 conversations;          /* that have it in common; stays at its greatest value */
  gboolean continued;             /* a mark: some prompt went on from here */
} Entry;

struct _MrAffinity {
  GHashTable *entries; /* set of Entry, owned */
  GQueue order;        /* the one used longest ago at the head */
  GHashTable *numbers; /* worker id -> its number; the ids are the other table's */
  GHashTable *ids;     /* number -> worker id, owned. A forgotten worker's number is never used again. */
  guint32 last_number;
};

MrAffinity *
mr_affinity_new (void)
{
  MrAffinity *affinity = g_new0 (MrAffinity, 1);

  affinity->entries = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  affinity->numbers = g_hash_table_new (g_str_hash, g_str_equal);
  affinity->ids = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  return affinity;
}

void
mr_affinity_free (MrAffinity *affinity)
{
  if (affinity == NULL)
    return;
  g_hash_table_unref (affinity->entries);
  g_hash_table_unref (affinity->numbers);
  g_hash_table_unref (affinity->ids);
  g_free (affinity);
}

static void
forget_oldest (MrAffinity *affinity)
{
  Entry *entry = affinity->order.head->data;

  g_queue_unlink (&affinity->order, &entry->link);
  g_hash_table_remove (affinity->entries, entry);
}

static void
forget_expired (MrAffinity *affinity, gint64 now_us)
{
  while (affinity->order.head != NULL &&
         ((Entry *) affinity->order.head->data)->used_us <= now_us - MR_LIMIT_AFFINITY_USEC)
    forget_oldest (affinity);
}

static Entry *
find_entry (MrAffinity *affinity, guint64 hash)
{
  return g_hash_table_lookup (affinity->entries, &hash);
}

static Entry *
add_entry (MrAffinity *affinity, guint64 hash)
{
  Entry *entry = g_new0 (Entry, 1);

  if (affinity->order.length >= MR_LIMIT_AFFINITY_ENTRIES)
    forget_oldest (affinity);
  entry->hash = hash;
  entry->link.data = entry;
  g_queue_push_tail_link (&affinity->order, &entry->link);
  g_hash_table_add (affinity->entries, entry);
  return entry;
}

static guint32
get_number (MrAffinity *affinity, const char *worker_id)
{
  guint32 number = GPOINTER_TO_UINT (g_hash_table_lookup (affinity->numbers, worker_id));
  char *id;

  if (number != 0)
    return number;
  number = ++affinity->last_number;
  id = g_strdup (worker_id);
  g_hash_table_insert (affinity->ids, GUINT_TO_POINTER (number), id);
  g_hash_table_insert (affinity->numbers, id, GUINT_TO_POINTER (number));
  return number;
}

/* @number goes first; the one that had its place, or the last, makes room. */
static void
entry_use (MrAffinity *affinity, Entry *entry, guint32 number, gint64 now_us)
{
  guint at = 0;

  while (at < ENTRY_WORKERS - 1 && entry->workers[at] != number)
    at++;
  memmove (entry->workers + 1, entry->workers, at * sizeof *entry->workers);
  entry->workers[0] = number;
  entry->used_us = now_us;
  g_queue_unlink (&affinity->order, &entry->link);
  g_queue_push_tail_link (&affinity->order, &entry->link);
}

static void
entry_count (Entry *entry)
{
  entry->conversations = (guint16) MIN (entry->conversations + 1, G_MAXUINT16);
}

/* Returns: how many marks from the beginning belong to the known part of the prompt */
static guint
count_known (MrAffinity *affinity, const MrAffinityKey *key)
{
  guint known = key->n_marks;

  while (known > 0 && find_entry (affinity, key->marks[known - 1].hash) == NULL)
    known--;
  return known;
}

/* The prompt is no earlier one's next turn: nothing of it is known, or it leaves a way that was gone before. */
static gboolean
is_new_conversation (MrAffinity *affinity, const MrAffinityKey *key)
{
  guint known = count_known (affinity, key);

  return known == 0 || known == key->n_marks || find_entry (affinity, key->marks[known - 1].hash)->continued;
}

void
mr_affinity_note (MrAffinity *affinity, const MrAffinityKey *key, const char *worker_id, gint64 now_us)
{
  guint32 number = get_number (affinity, worker_id);
  gboolean is_new;

  forget_expired (affinity, now_us);
  is_new = key->n_marks > 0 && is_new_conversation (affinity, key);
  for (guint i = 0; i < key->n_marks; i++) {
    Entry *entry = find_entry (affinity, key->marks[i].hash);

    if (entry == NULL)
      entry = add_entry (affinity, key->marks[i].hash);
    if (is_new || entry->conversations == 0)
      entry_count (entry);
    if (i + 1 < key->n_marks)
      entry->continued = TRUE;
    entry_use (affinity, entry, number, now_us);
  }
  if (key->session != 0) {
    Entry *entry = find_entry (affinity, key->session);

    if (entry == NULL)
      entry = add_entry (affinity, key->session);
    if (is_new)
      entry_count (entry);
    entry_use (affinity, entry, number, now_us);
  }
}

static Entry *
find_live (MrAffinity *affinity, guint64 hash, gint64 now_us)
{
  Entry *entry = find_entry (affinity, hash);

  return entry != NULL && entry->used_us > now_us - MR_LIMIT_AFFINITY_USEC ? entry : NULL;
}

static void
add_holder (MrAffinity *affinity, guint32 number, double share, MrAffinityHolder *holders, guint *n)
{
  const char *id = g_hash_table_lookup (affinity->ids, GUINT_TO_POINTER (number));

  if (id == NULL || *n == MR_AFFINITY_MAX_HOLDERS)
    return;
  for (guint i = 0; i < *n; i++)
    if (holders[i].worker_id == id)
      return;
  holders[(*n)++] = (MrAffinityHolder){ id, share };
}

static guint
find_prefix_holders (MrAffinity *affinity, const MrAffinityKey *key, gint64 now_us, MrAffinityHolder *holders)
{
  guint n = 0;

  for (guint i = key->n_marks; i > 0; i--) {
    const Entry *entry = find_live (affinity, key->marks[i - 1].hash, now_us);

    if (entry == NULL)
      continue;
    if (entry->conversations > MR_AFFINITY_COMMON)
      break; /* as is all before it */
    for (guint k = 0; k < ENTRY_WORKERS; k++)
      add_holder (affinity, entry->workers[k], key->marks[i - 1].held, holders, &n);
  }
  return n;
}

static gboolean
entry_has_worker (MrAffinity *affinity, const Entry *entry, const char *id)
{
  guint32 number = GPOINTER_TO_UINT (g_hash_table_lookup (affinity->numbers, id));

  for (guint i = 0; i < ENTRY_WORKERS; i++)
    if (entry->workers[i] == number)
      return TRUE;
  return FALSE;
}

guint
mr_affinity_find_holders (MrAffinity *affinity, const MrAffinityKey *key, gint64 now_us, MrAffinityHolder *holders)
{
  guint n = find_prefix_holders (affinity, key, now_us, holders);
  const Entry *session = key->session != 0 ? find_live (affinity, key->session, now_us) : NULL;
  guint n_session = 0;

  if (session == NULL || (key->names_user && session->conversations > MR_AFFINITY_COMMON))
    return n;
  for (guint i = 0; i < n; i++)
    if (entry_has_worker (affinity, session, holders[i].worker_id))
      holders[n_session++] = (MrAffinityHolder){ holders[i].worker_id, 1 };
  for (guint i = 0; i < ENTRY_WORKERS && n_session == 0; i++)
    add_holder (affinity, session->workers[i], 1, holders, &n_session);
  return n_session > 0 ? n_session : n;
}

void
mr_affinity_forget_worker (MrAffinity *affinity, const char *worker_id)
{
  gpointer number = g_hash_table_lookup (affinity->numbers, worker_id);

  if (number == NULL)
    return;
  g_hash_table_remove (affinity->numbers, worker_id);
  g_hash_table_remove (affinity->ids, number);
}

guint
mr_affinity_get_size (MrAffinity *affinity)
{
  return affinity->order.length;
}
