// SPDX-License-Identifier: MIT
/// Text that grows, for one message of the log. Invariant: what came from elsewhere is in it as printable UTF-8: no
/// control character and no invalid byte reaches a terminal or a JSON parser.
#pragma once

#include <stddef.h>

/// All zero: empty. Without memory it stays as it was and what is added is lost.
struct pe_text {
    char *bytes;
    size_t length, room;
};

/// Adds bytes as they are.
void pe_text_add(struct pe_text *text, const char *bytes, size_t length);
void pe_text_format(struct pe_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/// Adds lines: newlines and tabs stay, `prefix` goes before each line but the first, and one that begins with neither
/// space nor tab is indented, so that it cannot pass for a message of its own. All else is escaped: \x1b.
void pe_text_add_lines(struct pe_text *text, const char *bytes, size_t length, const char *prefix);

/// Adds a JSON string with its quotes; an invalid byte becomes U+FFFD.
void pe_text_add_json(struct pe_text *text, const char *bytes, size_t length);

/// Empties it, and gives back memory beyond a page or so.
void pe_text_clear(struct pe_text *text);
