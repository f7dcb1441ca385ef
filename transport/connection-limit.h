/* SPDX-License-Identifier: MIT */
/*
 * How many connections are open, in all and by address, and how many there may be. Pure.
 */
#pragma once

#include <glib.h>

/** MrConnectionLimit: counts; shared by reference between the intake and its connections. */
typedef struct _MrConnectionLimit MrConnectionLimit;

MrConnectionLimit *mr_connection_limit_new (void);
MrConnectionLimit *mr_connection_limit_ref (MrConnectionLimit *limit);
void mr_connection_limit_unref (MrConnectionLimit *limit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrConnectionLimit, mr_connection_limit_unref)

/**
 * mr_connection_limit_set:
 * @max_total: in all
 * @max_per_address: from one address; loopback and "unix" are exempt, because a reverse proxy lives there
 */
void mr_connection_limit_set (MrConnectionLimit *limit, guint max_total, guint max_per_address);

/** mr_connection_limit_enter: %FALSE, and nothing is counted, when @address may not have another connection. */
gboolean mr_connection_limit_enter (MrConnectionLimit *limit, const char *address);

/** mr_connection_limit_leave: undoes a successful mr_connection_limit_enter(). */
void mr_connection_limit_leave (MrConnectionLimit *limit, const char *address);

/** mr_connection_limit_get_total: how many are open. */
guint mr_connection_limit_get_total (MrConnectionLimit *limit);
