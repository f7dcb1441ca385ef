/* SPDX-License-Identifier: MIT */
/*
 * A session with the real gnome-keyring, on a bus and in a home of its own. What the owner would do at a prompt is done
 * over the bus, when the prompt is asked for.
 */
#pragma once

#include "secrets.h"
#include "wait.h"

#define PASSWORD "correct horse"

typedef struct {
  GSubprocess *bus;      /* Owned */
  GDBusConnection *app;  /* Weak: the one that the app shares with its libraries */
  GDBusConnection *desk; /* Owned: the owner's hands */
  char *home;            /* Owned */
  GSubprocess *daemon;   /* Owned: NULL while it does not run */
  gboolean has_service;
  guint prompts; /* asked for */
  /* (nullable): what the owner does at a prompt; NULL: turns away */
  void (*at_prompt) (GDBusConnection *desk, const char *password);
  MrSecrets *secrets; /* Owned */
} Session;

/** session_new: (transfer full): without a keyring's service. */
Session *session_new (void);

/** session_free: the test fails when a secret (they all have "swordfish" in them) is anywhere in the home. */
void session_free (Session *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Session, session_free)

/** session_start_keyring: @password: (nullable): NULL: as after a login without one: what is there stays locked. */
void session_start_keyring (Session *session, const char *password);
void session_stop_keyring (Session *session);

/** session_drop_secrets: and waits for what is under way for nobody. */
void session_drop_secrets (Session *session);

/** session_unlock: by hand, in another program. */
void session_unlock (GDBusConnection *desk, const char *password);

/** session_create: a default keyring. */
void session_create (GDBusConnection *desk, const char *password);

