// SPDX-License-Identifier: MIT
/// Reads the head of an answer: the header fields by their names.
#pragma once

#include <lua.h>
#include <stddef.h>

/// Pushes a table of the fields by lower-case name; and a list of names and values in turn, of those that came before
/// under the same name, or nil. Lines that are no fields are passed over. Changes `head`. Raises without memory.
void pe_head_push(lua_State *L, char *head, size_t size);
