/* SPDX-License-Identifier: MIT */
/*
 * What the fake backend sends and the load client expects, byte for byte. Pure.
 *
 * An event is a fixed number of bytes and says whose it is, its place and when it was sent:
 *
 *   data: {"id":"00000042","seq":"00000007","t":"0000012345678901234","last":"0","p":"pattern..."}\n\n
 *
 * so that a lost, repeated, reordered, mixed-up or changed byte shows. A body is the same pattern in one JSON document.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_EVENT_MIN 96
#define BENCH_SLICE_MAX ((size_t) 64 * 1024)
#define BENCH_DONE "data: [DONE]\n\n"
#define BENCH_DONE_BYTES (sizeof (BENCH_DONE) - 1)

/** bench_event_fill: writes @size bytes, from BENCH_EVENT_MIN to BENCH_SLICE_MAX. @sent_ns is CLOCK_MONOTONIC. */
void bench_event_fill (char *out, size_t size, uint32_t id, uint32_t seq, uint64_t sent_ns, bool last);

/** bench_event_check: whether every byte is as bench_event_fill() makes it for @id; what it says is handed back. */
bool bench_event_check (const char *event, size_t size, uint32_t id, uint32_t *seq, uint64_t *sent_ns, bool *last);

/** bench_pattern: @length bytes of the endless pattern from @offset on, at most BENCH_SLICE_MAX. Static. */
const char *bench_pattern (uint64_t offset, size_t length);

/** bench_body_fill: the bytes from @offset of the body that is @total bytes long. */
void bench_body_fill (char *out, uint64_t total, uint64_t offset, size_t length);
