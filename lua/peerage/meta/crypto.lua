-- SPDX-License-Identifier: MIT
---@meta engine.crypto

--- Digests, randomness and comparison. Strings hold any bytes; nothing here waits.
---@class engine.crypto
local crypto = {}

--- MD5 (RFC 1321), for protocols that ask for it; not for new designs.
---@param data string
---@return string digest 16 bytes
function crypto.md5(data) end

--- SHA-256 (FIPS 180-4).
---@param data string
---@return string digest 32 bytes
function crypto.sha256(data) end

--- HMAC-SHA-256 (RFC 2104, RFC 4231).
---@param key string of any length
---@param data string
---@return string code 32 bytes
function crypto.hmac_sha256(key, data) end

--- Bytes from the operating system, fit for keys and challenges. Raises if the system gives none.
---@param count integer bytes, 0 to 65536
---@return string bytes
function crypto.random(count) end

--- Compares secrets: the time taken depends on the length only, never on where the first difference is.
---@param a string
---@param b string
---@return boolean is_equal false for strings of different length
function crypto.equal(a, b) end

return crypto
