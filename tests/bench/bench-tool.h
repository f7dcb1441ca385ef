/* SPDX-License-Identifier: MIT */
/*
 * What both tools need from the system: the clock, loopback sockets, options. No protocol.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_NS_PER_MS UINT64_C (1000000)
#define BENCH_NS_PER_SEC UINT64_C (1000000000)

/** bench_die: says why, with errno's text, and exits with 2. */
_Noreturn void bench_die (const char *what);

/** bench_alloc: zeroed memory, or bench_die(). */
void *bench_alloc (size_t count, size_t size);

/** bench_now_ns: CLOCK_MONOTONIC, the same for every process of the machine. */
uint64_t bench_now_ns (void);

/** bench_tool_init: no SIGPIPE, and as many descriptors as the hard limit allows. */
void bench_tool_init (void);

/** bench_number: the value of a numeric option, or bench_die(). */
uint64_t bench_number (const char *option, const char *text);

/** bench_listen: a non-blocking listening socket on 127.0.0.1; @port 0 picks one. */
int bench_listen (uint16_t *port);

/** bench_connect: a blocking connection to 127.0.0.1, or -1. */
int bench_connect (uint16_t port);

void bench_set_nonblocking (int fd);

/** bench_send_all: on a blocking socket. */
bool bench_send_all (int fd, const char *bytes, size_t length);
