/* SPDX-License-Identifier: MIT */
/*
 * A message bus of a test's own: a dbus-daemon with a configuration that the test writes, and calls to what is on it.
 */
#pragma once

#include "stage.h"

#include <gio/gio.h>

/** BUS_OPEN: a policy that lets every user do everything, so that only the programs' own checks are left. */
#define BUS_OPEN                                                                                                       \
  "<policy context='default'><allow user='*'/><allow own='*'/><allow send_destination='*' eavesdrop='true'/>"          \
  "<allow eavesdrop='true'/></policy>"

#define BUS_SERVER "org.modelrelay.Server1"
#define BUS_SERVER_PATH "/org/modelrelay/Server1"
#define BUS_WORKER "org.modelrelay.Worker1"
#define BUS_WORKER_PATH "/org/modelrelay/Worker1"

typedef struct {
  char *dir;
  char *address;
  char *environment; /* "DBUS_SESSION_BUS_ADDRESS=..." */
  MrtProcess *process;
  GDBusConnection *client; /* Owned: ours */
} Bus;

/** bus_new: (transfer full): with these policies, and running. */
Bus *bus_new (const char *policies);
void bus_free (Bus *bus);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Bus, bus_free)

/** bus_stop: kills it; bus_start: runs it again at the same address. */
void bus_stop (Bus *bus);
void bus_start (Bus *bus);

/** bus_relay, bus_worker: (transfer full): stage_relay() and stage_worker() on this bus. @option: (nullable) */
StageRelay *bus_relay (Bus *bus, const char *option);
MrtProcess *bus_worker (Bus *bus, const char *name, guint16 relay_port, guint16 backend_port);

/** bus_wait_name: until somebody owns @name; the test fails when nobody does. */
void bus_wait_name (Bus *bus, const char *name);

/** bus_owner: (transfer full) (nullable): the unique name behind @name. */
char *bus_owner (Bus *bus, const char *name);

/** bus_call: (transfer full): a method of @name's own interface; the test fails when it fails. */
GVariant *bus_call (Bus *bus, const char *name, const char *method, GVariant *parameters);

/** bus_call_fails: the same for one that must fail. Returns: (transfer full): the error's D-Bus name */
char *bus_call_fails (Bus *bus, const char *name, const char *method, GVariant *parameters);

/** bus_get: (transfer full): a property of @name's own interface. */
GVariant *bus_get (Bus *bus, const char *name, const char *property);

/** bus_wait_property: until it prints as @text in GVariant's text format. */
void bus_wait_property (Bus *bus, const char *name, const char *property, const char *text);

/** bus_run: (transfer full): what a program (ends with NULL) on this bus prints, with what it says on standard error;
 * @status: (out) (optional): its exit status */
char *bus_run (Bus *bus, int *status, const char *program, ...) G_GNUC_NULL_TERMINATED;
