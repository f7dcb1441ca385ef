/* SPDX-License-Identifier: MIT */
/*
 * What a worker says of itself, made sane (protocol, "Registration" step 3). Pure.
 */
#pragma once

#include "message.h"

typedef struct {
  char *worker_name;
  char **models;
  guint max_concurrent;
  char **warnings; /* a sentence for each thing that was changed; NULL-terminated, possibly empty */
} MrRegistration;

void mr_registration_clear (MrRegistration *registration);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MrRegistration, mr_registration_clear)

/**
 * mr_registration_init:
 * @message: a `register`, or a `models_update` (then only @models is of use)
 *
 * Trims names, drops empty ones and duplicates, cuts what is over the caps of limits.h, raises a concurrency of 0 to 1.
 */
void mr_registration_init (MrRegistration *registration, const MrMessage *message);
