/* SPDX-License-Identifier: MIT */
/*
 * GET /admin/events (contract G5): what changes, as Server-Sent Events for whoever listens. Authentication and routes
 * are admin.c's, the documents admin-report.c's.
 *
 *   relay says "changed" -> the thing is noted (no document is made) -> flush: one event for each -> every stream
 *
 * A thing has at most one event in 250 ms, the figures one in a second, however often it changes. While nobody listens
 * nothing is noted but that something changed.
 */
#pragma once

#include "admin.h"

typedef struct _MrEvents MrEvents;

/** mr_events_new: @parts: copied; what it points to is borrowed and outlives the MrEvents. */
MrEvents *mr_events_new (const MrAdminParts *parts);

/** mr_events_free: open streams are cut. */
void mr_events_free (MrEvents *events);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrEvents, mr_events_free)

/**
 * mr_events_take:
 * @response: (transfer full): to a GET or HEAD
 *
 * A reader whose `Last-Event-ID` is remembered gets what it missed, every other one a `snapshot` first. A reader that
 * leaves more than %MR_LIMIT_EVENT_UNSENT_BYTES unread is cut.
 */
void mr_events_take (MrEvents *events, MrResponse *response);

/** mr_events_are_heard: whether anybody listens. */
gboolean mr_events_are_heard (MrEvents *events);

/** mr_events_tell: an event of another's making, to those who listen now. @json: on one line */
void mr_events_tell (MrEvents *events, const char *name, const char *json);

/** mr_events_end_streams: tells what is due and ends every stream cleanly. */
void mr_events_end_streams (MrEvents *events);

/** mr_events_stop: the same, and takes no more. */
void mr_events_stop (MrEvents *events);
