/* SPDX-License-Identifier: MIT */
/*
 * An administrator of the stage's relay: requests with the token, what holds for every answer, and a reader of events.
 */
#pragma once

#include "stage.h"

#define STAGE_TOKEN "stage-admin-token-93be"
#define STAGE_AUTHORIZATION "Authorization: Bearer " STAGE_TOKEN "\r\n"

/* The options of a relay that has an administrator. */
#define STAGE_ADMIN "--admin-token", STAGE_TOKEN

/** stage_admin: (transfer full): with the token. @body: (nullable) */
MrtResponse *stage_admin (StageRelay *relay, const char *method, const char *target, const char *body);

/** stage_admin_json: (transfer full): the same; the answer must be a JSON object with @status. */
JsonObject *stage_admin_json (StageRelay *relay, const char *method, const char *target, const char *body,
                              guint status);

/** StageKey: a key that a test made. */
typedef struct {
  char *id;
  char *secret;
  char *header; /* Authorization, with CR LF */
} StageKey;

void stage_key_clear (StageKey *key);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (StageKey, stage_key_clear)

/** stage_create_key: (transfer full): @spec: the body of POST /admin/keys */
StageKey stage_create_key (StageRelay *relay, const char *spec);
void stage_revoke_key (StageRelay *relay, const StageKey *key);

/** stage_check_admin_head: what holds for every answer of the admin API. */
void stage_check_admin_head (MrtResponse *response);

/** stage_admin_error: an error answer with this code. Returns: (transfer full): its message */
char *stage_admin_error (StageRelay *relay, const char *method, const char *target, const char *body, guint status,
                         const char *code);

/** stage_member_names: (transfer full): the members of the object at @path, in order, joined with "|". */
char *stage_member_names (JsonObject *object, const char *path);

/** stage_element: (transfer none): object @i of the array at @path. */
JsonObject *stage_element (JsonObject *object, const char *path, guint i);

/** stage_length: of the array at @path. */
guint stage_length (JsonObject *object, const char *path);

/** StageEvents: a reader of /admin/events and the event that it read last. */
typedef struct {
  MrtStream *stream;
  MrtResponse *response;
  gsize at;
  guint64 id;
  char *name;
  JsonObject *data;
} StageEvents;

/** stage_events: (transfer full): @last_event_id: (nullable) */
StageEvents *stage_events (StageRelay *relay, const char *last_event_id);
void stage_events_free (StageEvents *events);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (StageEvents, stage_events_free)

/** stage_events_next: reads the next event; %FALSE when none comes in @timeout_ms, or at the end of the stream. */
gboolean stage_events_next (StageEvents *events, int timeout_ms);

/** stage_events_expect: the next event but `stats` and `history` is a @name. Returns: (transfer none): its data */
JsonObject *stage_events_expect (StageEvents *events, const char *name);

/** stage_events_wait: reads on to a @name whose string @member is @value. Returns: (transfer none): its data */
JsonObject *stage_events_wait (StageEvents *events, const char *name, const char *member, const char *value);
