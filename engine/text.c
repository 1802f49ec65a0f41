// SPDX-License-Identifier: MIT
// Escaping for terminals and for JSON.
#include "text.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 4096, REPLACEMENT = 0xfffd };

static bool make_room(struct pe_text *text, size_t length) {
    size_t room = text->room ? text->room : FIRST_ROOM;
    while (room < text->length + length + 1) room *= 2;
    if (room == text->room) return true;
    char *larger = realloc(text->bytes, room);
    if (!larger) return false;
    text->bytes = larger;
    text->room = room;
    return true;
}

void pe_text_add(struct pe_text *text, const char *bytes, size_t length) {
    if (!make_room(text, length)) return;
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

void pe_text_format(struct pe_text *text, const char *format, ...) {
    char buffer[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(buffer, sizeof buffer, format, arguments);
    va_end(arguments);
    pe_text_add(text, buffer, (size_t)length < sizeof buffer ? (size_t)length : sizeof buffer - 1);
}

// The length of the UTF-8 character at the front (RFC 3629), 0 if it is none.
static size_t decode(const unsigned char *bytes, size_t length, uint32_t *character) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = bytes[0] < 0x80 ? 1 : bytes[0] < 0xc2 ? 0 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
    if (bytes[0] > 0xf4 || size > length) return 0;
    *character = size < 2 ? bytes[0] : bytes[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xc0) != 0x80) return 0;
        *character = *character << 6 | (bytes[i] & 0x3f);
    }
    bool is_surrogate = *character >= 0xd800 && *character <= 0xdfff;
    return is_surrogate || *character > 0x10ffff || (size && *character < smallest[size]) ? 0 : size;
}

// Controls (C0, DEL, C1), line separators, and what reorders a line (bidirectional controls).
static bool is_harmful(uint32_t character) {
    return character < 0x20 || (character >= 0x7f && character < 0xa0) || character == 0x200e || character == 0x200f ||
           (character >= 0x2028 && character <= 0x202e) || (character >= 0x2066 && character <= 0x2069);
}

// Adds one character or invalid byte; returns how many bytes it had.
static size_t add_character(struct pe_text *text, const char *bytes, size_t length, bool is_json) {
    uint32_t character = REPLACEMENT;
    size_t size = decode((const unsigned char *)bytes, length, &character);
    if (is_json && !size)
        pe_text_format(text, "\\ufffd");
    else if (is_json && size && (character == '"' || character == '\\'))
        pe_text_format(text, "\\%c", (int)character);
    else if (is_json && character == '\n')
        pe_text_format(text, "\\n");
    else if (is_json && is_harmful(character))
        pe_text_format(text, "\\u%04x", character);
    else if (size && !is_harmful(character))
        pe_text_add(text, bytes, size);
    else
        for (size_t i = 0; i < (size ? size : 1); i++) pe_text_format(text, "\\x%02x", (unsigned char)bytes[i]);
    return size ? size : 1;
}

void pe_text_add_lines(struct pe_text *text, const char *bytes, size_t length, const char *prefix) {
    for (size_t i = 0; i < length;) {
        if (bytes[i] != '\n' && bytes[i] != '\t') {
            i += add_character(text, bytes + i, length - i, false);
            continue;
        }
        pe_text_add(text, bytes + i, 1);
        if (bytes[i++] == '\t') continue;
        pe_text_add(text, prefix, strlen(prefix));
        if (i < length && !memchr(" \t\n", bytes[i], 3)) pe_text_add(text, "    ", 4);
    }
}

void pe_text_add_json(struct pe_text *text, const char *bytes, size_t length) {
    pe_text_add(text, "\"", 1);
    for (size_t i = 0; i < length;) i += add_character(text, bytes + i, length - i, true);
    pe_text_add(text, "\"", 1);
}

void pe_text_clear(struct pe_text *text) {
    text->length = 0;
    if (text->room <= 16 * FIRST_ROOM) return;
    free(text->bytes);
    *text = (struct pe_text){0};
}
