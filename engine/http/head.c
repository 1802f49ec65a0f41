// SPDX-License-Identifier: MIT
// Header fields, RFC 9112 section 5. Each byte is looked at a bounded number of times, however many fields have one
// name.
#include "head.h"
#include <stdbool.h>
#include <string.h>

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

// A line that begins with a blank goes on with the one before.
static void unfold(char *head, size_t size) {
    for (size_t i = 1; i < size; i++) {
        if (head[i - 1] != '\n' || !is_blank(head[i])) continue;
        head[i - 1] = ' ';
        if (i > 1 && head[i - 2] == '\r') head[i - 2] = ' ';
    }
}

static void push_trimmed(lua_State *L, const char *start, const char *end) {
    while (start < end && is_blank(*start)) start++;
    while (end > start && is_blank(end[-1])) end--;
    lua_pushlstring(L, start, (size_t)(end - start));
}

// The name and the value are on top, the table and the list (or nil) below. Pops both.
static void add(lua_State *L) {
    lua_pushvalue(L, -2);
    lua_rawget(L, -5);
    bool is_new = lua_isnil(L, -1);
    lua_pop(L, 1);
    if (is_new) return lua_rawset(L, -4);
    if (lua_isnil(L, -3)) {
        lua_newtable(L);
        lua_replace(L, -4);
    }
    int count = (int)lua_objlen(L, -3);
    lua_rawseti(L, -3, count + 2);
    lua_rawseti(L, -2, count + 1);
}

void pe_head_push(lua_State *L, char *head, size_t size) {
    char *end = head + size, *next = memchr(head, '\n', size); // after the status line
    lua_createtable(L, 0, 8);
    lua_pushnil(L);
    unfold(head, size);
    for (char *line = next ? next + 1 : end; line < end; line = next) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop) stop = end;
        next = stop + 1;
        if (stop > line && stop[-1] == '\r') stop--;
        char *colon = memchr(line, ':', (size_t)(stop - line));
        if (!colon || colon == line) continue;
        for (char *byte = line; byte < colon; byte++) *byte |= *byte >= 'A' && *byte <= 'Z' ? 0x20 : 0;
        push_trimmed(L, line, colon);
        push_trimmed(L, colon + 1, stop);
        add(L);
    }
}
