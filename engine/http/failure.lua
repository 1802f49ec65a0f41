-- SPDX-License-Identifier: MIT
--- Why a transfer failed: libcurl's result in words of ours, and its code.
local certificates = require("engine.http.certificates")

local M = {}

-- By libcurl's number, libcurl-errors(3).
local CONNECT, LATE, TLS, SEND, RECEIVE, UNTRUSTED, TOO_BIG = 7, 28, 35, 55, 56, 60, 63
local PROTOCOL, CERTIFICATE = "EPROTO", "ECERT"
local CODES = {
  [5] = "ENOTFOUND", -- CURLE_COULDNT_RESOLVE_PROXY
  [6] = "ENOTFOUND", -- CURLE_COULDNT_RESOLVE_HOST
  [18] = "ECONNRESET", -- CURLE_PARTIAL_FILE
  [27] = "ENOMEM", -- CURLE_OUT_OF_MEMORY
  [52] = "ECONNRESET", -- CURLE_GOT_NOTHING
  [58] = CERTIFICATE, -- CURLE_SSL_CERTPROBLEM: the client's
  [59] = CERTIFICATE, -- CURLE_SSL_CIPHER
  [60] = CERTIFICATE, -- CURLE_PEER_FAILED_VERIFICATION
  [77] = CERTIFICATE, -- CURLE_SSL_CACERT_BADFILE
  [82] = CERTIFICATE, -- CURLE_SSL_CRL_BADFILE
  [83] = CERTIFICATE, -- CURLE_SSL_ISSUER_ERROR
}
-- What the system says of a connection that was there.
local BROKEN = { ECONNRESET = "ECONNRESET", EPIPE = "ECONNRESET", ETIMEDOUT = "ETIMEDOUT" }

local TEXTS = {
  [18] = "the connection was closed before the answer was complete",
  [27] = "not enough memory",
  [52] = "the connection was closed without an answer",
}

local WAITED_FOR = { connect = "no connection", head = "no answer", body = "the answer was not complete" }

---@class engine.http.Limits
---@field timeout number seconds that there were
---@field connect_timeout number
---@field idle_timeout? number of a stream
---@field max_body? integer

local function size_text(bytes)
  if bytes < 1024 * 1024 then return bytes .. " bytes" end
  return ("%.3g MB"):format(bytes / 1024 / 1024)
end

local function late(limits, phase)
  if phase == "body" and limits.idle_timeout then return ("nothing came for %.3g s"):format(limits.idle_timeout) end
  local seconds = phase == "connect" and math.min(limits.connect_timeout, limits.timeout) or limits.timeout
  return ("%s within %.3g s"):format(WAITED_FOR[phase], seconds)
end

local function too_big(limits, text)
  if text:find("header", 1, true) then return "the head of the answer is larger than 64 kB" end
  return "the answer is larger than " .. size_text(limits.max_body)
end

-- Its texts begin like sentences, or with a name.
local function plain(text)
  text = text:gsub("^SSL certificate problem: ", ""):gsub("^SSL: ", ""):gsub("^OpenSSL SSL_%a+: ", ""):gsub("^OpenSSL/[%d.]+: ", "")
  text = text:gsub("^error:%x+:[^:]*::", ""):gsub(", errno %d+$", ""):gsub("%.?%s*$", ""):gsub("%c", "?")
  return (text:gsub("^%u%l", string.lower))
end

-- What the server says of ours, RFC 8446 section 6.2, as OpenSSL has it. Of one that has expired libcurl says only that.
local ALERTS = { "alert (unknown ca)", "alert (certificate %a+)", "alert (%a+ certificate)" }

local function find_refusal(limits, result, text)
  local alert = result == UNTRUSTED and text == "SSL certificate verification failed" and "certificate expired"
  for _, pattern in ipairs(ALERTS) do alert = alert or text:match(pattern) end
  if not alert then return nil end
  return ("%s (%s)"):format(limits.client_cert and "the server refused ours" or "the server wants one of ours", alert)
end

--- Puts a failure into words. May wait.
---@param limits engine.http.Limits and the files of certificates
---@param result integer libcurl's
---@param text string libcurl's
---@param phase? "connect"|"head"|"body"
---@param code? string the system's
---@param reason? string the system's
---@return string message, string code
function M.explain(limits, result, text, phase, code, reason)
  if result == LATE and phase then return late(limits, phase), "ETIMEDOUT" end
  if result == TOO_BIG then return too_big(limits, text), "EMSGSIZE" end
  if code and result == CONNECT then return reason, code end
  if BROKEN[code] and (result == TLS or result == SEND or result == RECEIVE) then return reason, BROKEN[code] end
  if result == CONNECT then return plain(text), "ECONNREFUSED" end
  local refusal = find_refusal(limits, result, text)
  if refusal then return "certificate: " .. refusal, CERTIFICATE end
  local known = CODES[result] or PROTOCOL
  local words = TEXTS[result] or certificates.explain(limits, result)
    or text ~= "" and plain(text) or ("libcurl's error %d"):format(result)
  if known == CERTIFICATE then return "certificate: " .. words, known end
  return result == TLS and "no TLS: " .. words or words, known
end

return M
