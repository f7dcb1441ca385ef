/* SPDX-License-Identifier: MIT */
/*
 * One object on D-Bus behind a generated interface skeleton: its methods by table, those for the same user or root
 * only, and property changes that are told at most four times a second. Knows no bus of its own.
 */
#pragma once

#include "reactor.h"

#include <gio/gio.h>

/** MR_BUS_PACE_USEC: the least time between two PropertiesChanged signals. */
#define MR_BUS_PACE_USEC (G_USEC_PER_SEC / 4)

/**
 * MrBusMethodFunc:
 * @invocation: (transfer full): answer it with a g_dbus_method_invocation_return function
 * @parameters: (transfer none): the call's arguments
 */
typedef void (*MrBusMethodFunc) (GDBusMethodInvocation *invocation, GVariant *parameters, gpointer data);

/** MrBusMethod: a row of a table that ends with a name of %NULL. */
typedef struct {
  const char *name;    /* as in the interface's XML */
  gboolean privileged; /* for our own user and root only; others get org.freedesktop.DBus.Error.AccessDenied */
  MrBusMethodFunc func;
} MrBusMethod;

/** MrBusObjectPublish: sets every property of the skeleton to what it is now. */
typedef void (*MrBusObjectPublish) (gpointer data);

typedef struct _MrBusObject MrBusObject;

/**
 * mr_bus_object_new:
 * @skeleton: borrowed, with gdbus-codegen's `handle-` signals; outlives the object
 * @path: where it is exported
 * @methods: a row for every method of the interface; static
 */
MrBusObject *mr_bus_object_new (MrReactor *reactor, GDBusInterfaceSkeleton *skeleton, const char *path,
                                const MrBusMethod *methods, MrBusObjectPublish publish, gpointer data);

/** mr_bus_object_free: is exported no more; calls that wait for a check are answered with an error. */
void mr_bus_object_free (MrBusObject *object);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrBusObject, mr_bus_object_free)

/** mr_bus_object_export: on one connection at a time. %FALSE when something else has the path. */
gboolean mr_bus_object_export (MrBusObject *object, GDBusConnection *connection, GError **error);

/** mr_bus_object_unexport: harmless when it is not exported. */
void mr_bus_object_unexport (MrBusObject *object);

/** mr_bus_object_changed: something that a property shows may be new. Costs nothing while not exported. */
void mr_bus_object_changed (MrBusObject *object);
