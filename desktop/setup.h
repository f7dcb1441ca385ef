/* SPDX-License-Identifier: MIT */
/*
 * Whether the settings and secrets make a configuration, as both change: reads the secrets of the relays, waits until
 * somebody has finished typing, and knows what is missing. What is made of it is sharing.c's.
 */
#pragma once

#include "sharing.h"

typedef struct _MrSetup MrSetup;

/**
 * MrSetupChanged:
 * @other: a worker with the configuration of before is no longer right
 */
typedef void (*MrSetupChanged) (gboolean other, gpointer data);

/** mr_setup_new: @settings, @secrets: references are taken */
MrSetup *mr_setup_new (GSettings *settings, MrSecrets *secrets, MrSetupChanged changed, gpointer data);
void mr_setup_free (MrSetup *setup);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrSetup, mr_setup_free)

/** mr_setup_begin: reads the secrets, from now on also those of other relays. May ask for the keyring's password. */
void mr_setup_begin (MrSetup *setup);

/** mr_setup_end: asks for no secrets any more. */
void mr_setup_end (MrSetup *setup);

/** mr_setup_is_complete: there is a configuration. */
gboolean mr_setup_is_complete (MrSetup *setup);

/** mr_setup_get_problem: (transfer none) (nullable): translated: why there is none; %NULL also until that is known. */
const char *mr_setup_get_problem (MrSetup *setup);
