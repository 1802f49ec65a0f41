// SPDX-License-Identifier: MIT
// Escaping for terminals and for JSON.
#include "text.h"
#include <stdint.h>
#include <stdio.h>
#include <string.h>

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
    return is_surrogate || *character > 0x10ffff || *character < smallest[size] ? 0 : size;
}

// Controls (C0, DEL, C1), line separators, and what reorders a line (bidirectional controls).
static bool is_harmful(uint32_t character) {
    return character < 0x20 || (character >= 0x7f && character < 0xa0) || character == 0x200e || character == 0x200f ||
           (character >= 0x2028 && character <= 0x202e) || (character >= 0x2066 && character <= 0x2069);
}

size_t pe_text_escape(const char *bytes, size_t length, bool is_json, char out[PE_TEXT_ROOM]) {
    uint32_t character = 0xfffd;
    size_t size = decode((const unsigned char *)bytes, length, &character);
    bool is_kept = size && (!is_harmful(character) || (!is_json && (character == '\n' || character == '\t')));
    if (is_kept)
        sprintf(out, "%s%.*s", is_json && (*bytes == '"' || *bytes == '\\') ? "\\" : "", (int)size, bytes);
    else if (is_json && character == '\n')
        strcpy(out, "\\n");
    else if (is_json)
        sprintf(out, "\\u%04x", size ? character : 0xfffd);
    else
        for (size_t i = 0; i < size || i == 0; i++) sprintf(out + 4 * i, "\\x%02x", (unsigned char)bytes[i]);
    return size ? size : 1;
}
