/* SPDX-License-Identifier: MIT */
/*
 * The relay on D-Bus: org.modelrelay.Server1 (contract M1; data/dbus/org.modelrelay.Server1.xml is the manual). No bus
 * is no error; a bus that comes back is joined again.
 */
#pragma once

#include "admin.h"

typedef struct _MrServerDBus MrServerDBus;

/**
 * mr_server_dbus_new:
 * @parts: copied; what it points at is borrowed and outlives the MrServerDBus
 *
 * Returns: (transfer full) (nullable): %NULL when the configuration says none, or there is no bus to join
 */
MrServerDBus *mr_server_dbus_new (const MrAdminParts *parts);

/** mr_server_dbus_free: calls that are not answered yet get an error. */
void mr_server_dbus_free (MrServerDBus *dbus);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrServerDBus, mr_server_dbus_free)

/** mr_server_dbus_note_status: (nullable self): the configuration's contents, the key store's state, or whether the relay
 * drains, have changed. */
void mr_server_dbus_note_status (MrServerDBus *dbus);

