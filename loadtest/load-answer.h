/* SPDX-License-Identifier: MIT */
/*
 * One answer as it comes in: which text arrived, whether it is whole, what went wrong, what the backend counted. Pure:
 * bytes in, facts out; no clock and no sockets.
 */
#pragma once

#include "sse.h"

/* A body that is not streamed, or a line of one that is. A larger one counts as broken. */
#define MR_LOAD_MAX_ANSWER_BYTES (16 << 20)

typedef struct _MrLoadAnswer MrLoadAnswer;

/**
 * mr_load_answer_new:
 * @status: of the answer
 * @content_type: (nullable): of the answer
 * @want_stream: what was asked for
 */
MrLoadAnswer *mr_load_answer_new (guint status, const char *content_type, gboolean want_stream);
void mr_load_answer_free (MrLoadAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrLoadAnswer, mr_load_answer_free)

/** mr_load_answer_feed: the next bytes of the body. Returns: whether some of the answer's text was in them */
gboolean mr_load_answer_feed (MrLoadAnswer *answer, const char *data, gsize length);

/**
 * mr_load_answer_end: the body has ended as HTTP wants it.
 *
 * Returns: (transfer full) (nullable): what is wrong with it, as "429 queue_full"; %NULL when it is good
 */
char *mr_load_answer_end (MrLoadAnswer *answer);

/** mr_load_answer_get_usage: as far as the backend has stated it. */
MrUsage mr_load_answer_get_usage (const MrLoadAnswer *answer);
