/* SPDX-License-Identifier: MIT */
/*
 * Our place on a D-Bus message bus: which bus, the connection, the well-known name. No bus is no error; a bus that
 * comes back is joined again. What is shown there is an MrBusObject.
 *
 *   WAITING --connected, object exported, name asked for--> JOINED --closed--> WAITING (1 s, doubled up to 30 s)
 */
#pragma once

#include "bus-object.h"

/**
 * MrBusChoice: of the option `dbus`.
 * @MR_BUS_AUTO: the system bus under a system unit of systemd, else the session bus if there is one, else none
 */
typedef enum { MR_BUS_AUTO, MR_BUS_SYSTEM, MR_BUS_SESSION, MR_BUS_NONE } MrBusChoice;

/** mr_bus_choices: their names, for the option tables. */
extern const char *const mr_bus_choices[];

/**
 * mr_bus_find_address:
 * @envp: environment
 * @pid: ours
 * @parent: our parent's process id
 *
 * A process is under a system unit of systemd when it has $INVOCATION_ID, its parent is process 1, $SYSTEMD_EXEC_PID
 * (if set) is its own number, and there is no $DBUS_SESSION_BUS_ADDRESS. The session bus is $DBUS_SESSION_BUS_ADDRESS,
 * else $XDG_RUNTIME_DIR/bus; no bus is ever launched.
 *
 * Returns: (transfer full) (nullable): D-Bus address; %NULL for no bus
 */
char *mr_bus_find_address (MrBusChoice choice, const char *const *envp, gint64 pid, gint64 parent);

/**
 * mr_bus_dup_name:
 * @prefix: ends with a dot
 * @text: valid UTF-8
 *
 * A well-known bus name of @prefix and one element made of @text: ASCII letters, digits and `-` stay, every other byte
 * and a leading digit become `_` and two lower-case hexadecimal digits. What is beyond the 255 bytes of a bus name is
 * cut off.
 */
char *mr_bus_dup_name (const char *prefix, const char *text);

typedef struct _MrBus MrBus;

/**
 * mr_bus_new:
 * @name: well-known name to own; a queue for it is joined when somebody else has it
 * @object: borrowed; exported while we are on the bus; outlives the MrBus
 *
 * Returns at once; connecting goes on in the background.
 *
 * Returns: (transfer full) (nullable): %NULL when there is no bus to join
 */
MrBus *mr_bus_new (MrReactor *reactor, MrBusChoice choice, const char *name, MrBusObject *object);

/** mr_bus_free: leaves the bus, which frees the name. */
void mr_bus_free (MrBus *bus);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrBus, mr_bus_free)
