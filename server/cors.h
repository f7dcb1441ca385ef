/* SPDX-License-Identifier: MIT */
/*
 * Cross-origin answers of the client API (contract A6; https://fetch.spec.whatwg.org/#http-cors-protocol). Pure.
 */
#pragma once

#include "headers.h"

/**
 * mr_cors_apply:
 * @allowed: (nullable): origins as `https://example.org`, or "*" for any
 * @origin: (nullable): the request's `Origin`
 * @fields: receives the header fields of the answer
 *
 * Adds nothing without an @origin, or for one that is not allowed.
 */
void mr_cors_apply (const char *const *allowed, const char *origin, MrHeaders *fields);

/**
 * mr_cors_apply_preflight:
 * @methods: what the path allows, e.g. "POST, OPTIONS"
 * @asked_headers: (nullable): `Access-Control-Request-Headers`
 *
 * Like mr_cors_apply(), with what a preflight asks for.
 */
void mr_cors_apply_preflight (const char *const *allowed, const char *origin, const char *methods,
                              const char *asked_headers, MrHeaders *fields);
