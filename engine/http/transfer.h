// SPDX-License-Identifier: MIT
/// Transfers: one request and its answer each, as a handle of Lua's. An answer is taken whole, or as a stream: its
/// head, then whatever has come of its body. What is received is charged to the scope that asked. Invariant: libcurl's
/// callbacks only fill the struct; Lua is told when libcurl has returned.
#pragma once

#include <lua.h>

/// Makes the class. Raises without memory.
void pe_transfer_register(lua_State *L);

/// After the loop.
void pe_transfer_shut_down(void);

/// start(options, seconds, limit, idle?) -> transfer, or what those below give. `options` is a list of the numbers of
/// libcurl's options, each followed by its value: a number, a string (copied), or a list of strings. `seconds`: until
/// the answer is there whole. `limit`: bytes of its body at most. With `idle`, a stream: `seconds` until its head is
/// there, then it ends after `idle` seconds of silence; and when `limit` bytes wait to be read, the server waits.
///   transfer:answer() -> status, fields, more, body               waits; see pe_head_push
///   transfer:head()   -> status, fields, more                     waits
///   transfer:read()   -> data | nil (the end)                     waits
///   transfer:close()
/// Each of those that wait gives on failure `nil, result, text, phase, code, reason`: libcurl's result and text, how
/// far it came ("connect", "head", "body"), and what the system said, if it did. Closed: `nil, "closed",
/// "ECANCELED"`. Whoever is cancelled in the first two has closed it.
int pe_transfer_l_start(lua_State *L);
