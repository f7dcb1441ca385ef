/* SPDX-License-Identifier: MIT */
/*
 * What the contract tests share: the real programs started with the options of a test, and the few requests and checks
 * that come again and again. Needs the paths of both programs as arguments of the test.
 */
#pragma once

#include "process.h"
#include "raw-client.h"
#include "scripted-backend.h"
#include "scripted-relay.h"
#include "scripted-worker.h"

#define STAGE_SECRET "stage-secret-5d1f"
#define STAGE_CHAT "/v1/chat/completions"
#define STAGE_BODY "{\"model\":\"m\",\"messages\":[]}"
#define STAGE_STREAM "{\"model\":\"m\",\"stream\":true,\"messages\":[]}"
#define STAGE_SSE "{\"content-type\":\"text/event-stream\"}"

/** StageRelay: a running modelrelay-server. */
typedef struct {
  MrtProcess *process;
  guint16 port;
} StageRelay;

/** stage_init: instead of g_test_init(). */
void stage_init (int argc, char **argv);

const char *stage_server_path (void);
const char *stage_worker_path (void);

/** stage_relay: (transfer full): on a free port, with these options beside (the last is NULL); returns when it listens.
 */
StageRelay *stage_relay (const char *option, ...);
void stage_relay_free (StageRelay *relay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (StageRelay, stage_relay_free)

/** stage_worker: (transfer full): a modelrelay-worker between the relay and the backend on these ports, with these
 * options beside (the last is NULL). */
MrtProcess *stage_worker (guint16 relay_port, guint16 backend_port, const char *option, ...);

/** stage_join: (transfer full): mrt_worker_join() with the right secret. @models: JSON array */
MrtWebsocket *stage_join (StageRelay *relay, const char *name, const char *models, guint max_concurrent);

/** stage_post: (transfer full): sends a chat completion and does not wait. */
MrtStream *stage_post (StageRelay *relay, const char *body);

/** stage_serve: takes the next request of @worker and answers it with 200 and @body. */
void stage_serve (MrtWebsocket *worker, const char *body);

/** stage_expect_body: takes the next request of @worker, which must carry @body. Returns: (transfer full): its id */
char *stage_expect_body (MrtWebsocket *worker, const char *body);

/** stage_wait_health: until the integer @member of /health is @value; fails after @timeout_ms. */
void stage_wait_health (StageRelay *relay, const char *member, gint64 value, int timeout_ms);

/** stage_check_ok: @response is a 200 with this body, which ended cleanly. */
void stage_check_ok (MrtResponse *response, const char *body);

/** stage_check_error: an error of the relay's own in the OpenAI shape. Returns: (transfer full): its message */
char *stage_check_error (MrtResponse *response, guint status, const char *code);

/** stage_check_anthropic_error: the same in the Anthropic shape. */
void stage_check_anthropic_error (MrtResponse *response, guint status, const char *type);
