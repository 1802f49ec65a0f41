// SPDX-License-Identifier: MIT
/// Unpacks answers with zlib, in one go: libcurl 7.88 takes what is cut short for whole, and knows no second member.
/// Invariant: what is given is all there was.
#pragma once

#include <lua.h>

/// Makes the class. Raises without memory.
void pe_unpack_register(lua_State *L);

/// unpack(bytes, limit, is_gzip) -> text | nil, result, reason. Gzip of one or more members, RFC 1952; or "deflate",
/// which is zlib's format, RFC 1950, or from some servers without its head and sum, RFC 1951. `limit`: bytes of text at
/// most. `result` is libcurl's number for such a failure. The text is charged to the running account. Raises without
/// memory.
int pe_unpack_l_unpack(lua_State *L);
