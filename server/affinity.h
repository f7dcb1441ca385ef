/* SPDX-License-Identifier: MIT */
/*
 * Which worker holds a conversation's prefix in its KV cache (contract C8). Pure: the clock is passed in; memory is
 * bounded and expires.
 */
#pragma once

#include <glib.h>

/**
 * MR_AFFINITY_WINDOW_BYTES: a prompt is marked after so many bytes at first, farther on after every eighth of what came
 * before, and where a turn ends. Of more than so many marks the last ones count.
 */
#define MR_AFFINITY_WINDOW_BYTES 256
#define MR_AFFINITY_MAX_MARKS 64

/** MR_AFFINITY_COMMON: what more conversations than this begin with (a system prompt) tells nothing about a worker. */
#define MR_AFFINITY_COMMON 4

/** MR_AFFINITY_MAX_HOLDERS: most workers that mr_affinity_find_holders() names. */
#define MR_AFFINITY_MAX_HOLDERS 8

/**
 * MrAffinityMark: a place in a prompt.
 * @hash: covers the model and all of the prompt before it
 * @held: how much of the prompt a worker holds that got an earlier one up to here, 0 to 1
 */
typedef struct {
  guint64 hash;
  double held;
} MrAffinityMark;

/**
 * MrAffinityKey: what a request's conversation is known by. Plain data, computed once at admission;
 * mr_affinity_key_clear() frees it. Hashes only: nothing of the prompt is kept (contract H3).
 */
typedef struct {
  guint64 session;       /* hash of the session that the client named; 0 for none */
  gboolean names_user;   /* the session may be a user with many conversations, or all of a program */
  MrAffinityMark *marks; /* Owned: in the order of the prompt */
  guint n_marks;
} MrAffinityKey;

/**
 * mr_affinity_key_init:
 * @key: (out caller-allocates)
 * @model: two models never share a cache
 * @session: (nullable): value of the first session header that is there (see mr_affinity_session_headers)
 * @body: (array length=length): the request's body; one that is no JSON object gives no marks
 *
 * A session is named by @session, else by the body's `prompt_cache_key`, `metadata.user_id` or `user`. The last two
 * count only while no more than %MR_AFFINITY_COMMON conversations have them in common.
 *
 * Costs time in proportion to the body: it is read as the model will get it, tools and instructions before messages.
 */
void mr_affinity_key_init (MrAffinityKey *key, const char *model, const char *session, const char *body, gsize length);
void mr_affinity_key_clear (MrAffinityKey *key);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MrAffinityKey, mr_affinity_key_clear)

/** mr_affinity_session_headers: names of the headers that name a session, the strongest first; NULL-terminated. */
extern const char *const mr_affinity_session_headers[];

typedef struct _MrAffinity MrAffinity;

MrAffinity *mr_affinity_new (void);
void mr_affinity_free (MrAffinity *affinity);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrAffinity, mr_affinity_free)

/** mr_affinity_note: @worker_id has got the request with @key. @now_us: monotonic microseconds. */
void mr_affinity_note (MrAffinity *affinity, const MrAffinityKey *key, const char *worker_id, gint64 now_us);

/** MrAffinityHolder: @worker_id: borrowed, until that worker is forgotten; @share: how much it holds, 0 to 1. */
typedef struct {
  const char *worker_id;
  double share;
} MrAffinityHolder;

/**
 * mr_affinity_find_holders:
 * @holders: (out) (array fixed-size=8): each worker once, the one that holds most first
 *
 * Who holds a part of the request. A named session goes before the prefix: of its workers those that hold the prefix,
 * else the last one that had it, count as holding all, and nobody else anything. What more than %MR_AFFINITY_COMMON
 * conversations have in common counts for nothing alone.
 *
 * Returns: how many, at most %MR_AFFINITY_MAX_HOLDERS
 */
guint mr_affinity_find_holders (MrAffinity *affinity, const MrAffinityKey *key, gint64 now_us,
                                MrAffinityHolder *holders);

/** mr_affinity_forget_worker: its cache is gone. */
void mr_affinity_forget_worker (MrAffinity *affinity, const char *worker_id);

/** mr_affinity_get_size: marks and sessions that are remembered. */
guint mr_affinity_get_size (MrAffinity *affinity);
