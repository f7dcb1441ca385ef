/* SPDX-License-Identifier: MIT */
/*
 * An MrWorker on D-Bus: org.modelrelay.Worker1 (contract M1; data/dbus/org.modelrelay.Worker1.xml is the manual). Who
 * shows it brings the connection (a desktop app: its own), or says which bus to join by which name (the daemon).
 */
#pragma once

#include "bus.h"
#include "worker.h"

#define MR_WORKER_DBUS_PATH "/org/modelrelay/Worker1"

/** MR_WORKER_DBUS_PREFIX: with mr_bus_dup_name() and the worker's name the name of a daemon. */
#define MR_WORKER_DBUS_PREFIX "org.modelrelay.Worker1."

typedef struct _MrWorkerDBus MrWorkerDBus;

/** mr_worker_dbus_new: @worker: kept alive; @reactor: outlives the MrWorkerDBus */
MrWorkerDBus *mr_worker_dbus_new (MrReactor *reactor, MrWorker *worker);

/** mr_worker_dbus_free: is shown no more. */
void mr_worker_dbus_free (MrWorkerDBus *dbus);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrWorkerDBus, mr_worker_dbus_free)

/** mr_worker_dbus_export: shows it on @connection, until mr_worker_dbus_free(). Not together with
 * mr_worker_dbus_join(). */
gboolean mr_worker_dbus_export (MrWorkerDBus *dbus, GDBusConnection *connection, GError **error);

/** mr_worker_dbus_join: shows it on a bus, if there is one, under the name of the worker; see mr_bus_new(). */
void mr_worker_dbus_join (MrWorkerDBus *dbus, MrBusChoice choice);
