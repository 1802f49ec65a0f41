-- SPDX-License-Identifier: MIT
---@meta engine.json

--- JSON as RFC 8259 has it: no comments, no NaN, no single quotes. Nothing here waits; a megabyte takes about 30 ms.
---
--- An object is a table with strings as keys. **A member that is null is not there**, so that `pod.status.podIP` is nil
--- whether it is null or absent; in an array, and alone, null is `json.null`, which is true where Lua asks. An array is a
--- list that bears a mark, so that an empty one is not taken for an object. Of two members with one name the last counts.
--- Numbers are doubles: integers are exact up to 2^53.
---@class engine.json
---@field null userdata null in an array
local json = {}

---@class engine.json.limits
---@field max_depth? integer arrays and objects in each other; 100 without, at most 1000
---@field max_size? integer bytes of the text; 16 MB (16777216) without, at most 1 GB

--- Reads a text. A byte order mark before it is skipped. A text that is no string, and an unknown limit, raise.
---@param text string
---@param limits? engine.json.limits
---@return any value never nil: null is `json.null`
---@return string? message 'line 3, column 7: expected "," or "]", found "x"'; columns are bytes
---@return string? code "EBADMSG": it is no JSON; "EMSGSIZE": it is over a limit
function json.decode(text, limits) end

--- Writes a value on one line, keys sorted: strings, finite numbers, booleans, `json.null`, tables that are lists (or
--- marked as arrays) or have strings as keys, at most 1000 in each other: all that `decode` can be asked for. An empty
--- table without a mark is `{}`. Bytes that
--- are no UTF-8 become U+FFFD.
---@param value any
---@return string? text
---@return string? message where what is that cannot be written: "value.a[2].b: expected plain data, found a function"
function json.encode(value) end

--- Marks a list as an array, so that it is `[]` when it is empty. What `decode` gives is marked, and stays so.
---@generic T: table
---@param list T
---@return T list the same
function json.array(list) end

--- Whether a value is a list that is marked as an array.
---@param value any
---@return boolean
function json.is_array(value) end

return json
