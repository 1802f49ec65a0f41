// SPDX-License-Identifier: MIT
/// Reads DNS answers: those records of one type that answer the question, CNAMEs followed inside the answer.
/// Safe with any bytes: every read is bounded, and names cannot make it loop.
#pragma once

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

/// Besides the ARES_* codes: CNAMEs lead in a circle, or there are more than 16.
enum { PE_ANSWER_LOOP = 1000 };

/// Pushes the list of the records (class IN) that answer the packet's one question and returns ARES_SUCCESS (at least
/// one); or pushes nothing and returns ARES_ENODATA, ARES_EBADRESP (malformed) or PE_ANSWER_LOOP. That it is the
/// question that was asked c-ares has checked. Raises without memory.
int pe_answer_push(lua_State *L, const uint8_t *packet, size_t length);
