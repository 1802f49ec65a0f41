// SPDX-License-Identifier: MIT
/// What came from elsewhere as printable UTF-8: no control character and no invalid byte reaches a terminal or a JSON
/// parser. For log.c.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { PE_TEXT_ROOM = 16 };

/// Writes the character, or the invalid byte, at the front of `bytes` to `out`, ended by zero; returns how many bytes
/// it had. What is harmful becomes \x1b, but a newline and a tab stay; in a JSON string \u001b, and an invalid byte
/// U+FFFD.
size_t pe_text_escape(const char *bytes, size_t length, bool is_json, char out[PE_TEXT_ROOM]);
