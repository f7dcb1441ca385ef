/* SPDX-License-Identifier: MIT */
/*
 * What each of our programs does once, before anything else, to the process that it runs in.
 */
#pragma once

/**
 * mr_program_init:
 *
 * Lets messages of libraries come out in our log, ignores SIGPIPE, since a write error tells the same, and raises the
 * soft limit of open files to the hard one (each client, worker and backend connection takes a descriptor; nothing here
 * uses select(2)).
 */
void mr_program_init (void);
