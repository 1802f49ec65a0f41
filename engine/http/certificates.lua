-- SPDX-License-Identifier: MIT
--- Files of certificates and keys, and why they were of no use: that is looked for once libcurl could not use them, which
--- does not say.
local fs = require("engine.fs")

local M = {}

local OURS, THEIRS = 58, 77 -- CURLE_SSL_CERTPROBLEM, CURLE_SSL_CACERT_BADFILE
local CERTIFICATE = "%-%-%-%-%-BEGIN [%w ]*CERTIFICATE%-%-%-%-%-" -- RFC 7468
local KEY = "%-%-%-%-%-BEGIN [%w ]*PRIVATE KEY%-%-%-%-%-"
local READ_IN_LOOP = { "ca_file", "client_cert", "client_key" }
local LOCKED = { "BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED" } -- RFC 5958, RFC 1421

local function is_locked(text)
  for _, sign in ipairs(LOCKED) do
    if text:find(sign, 1, true) then return true end
  end
  return false
end

local function find_problem(path, pattern, what)
  local text, message = fs.read(path)
  if not text then return message end
  if not text:find(pattern) then return ("%s holds no %s, expected PEM"):format(path, what) end
  if pattern == KEY and is_locked(text) then return ("the key in %s has a pass phrase, expected one without"):format(path) end
end

local function explain_theirs(settings)
  if settings.ca_file then return find_problem(settings.ca_file, CERTIFICATE, "certificate") end
  if settings.ca and not settings.ca:find(CERTIFICATE) then return "ca holds no certificate, expected PEM" end
end

local function explain_ours(settings)
  local certificate, key = settings.client_cert, settings.client_key or settings.client_cert
  return find_problem(certificate, CERTIFICATE, "certificate") or find_problem(key, KEY, "key")
    or ("the key in %s does not match the certificate in %s, or cannot be read"):format(key, certificate)
end

--- What libcurl, which reads these files in the loop, would wait for: a pipe would hold all up.
---@param settings { ca_file: string?, client_cert: string?, client_key: string? }
---@return string? words
function M.find_irregular(settings)
  for _, option in ipairs(READ_IN_LOOP) do
    local kind = settings[option] and fs.type(settings[option])
    if kind and kind ~= "file" then
      return ("certificate: %s: it is a %s, expected a regular file"):format(settings[option], kind)
    end
  end
end

--- What is wrong with them. Waits.
---@param settings { ca: string?, ca_file: string?, client_cert: string?, client_key: string? }
---@param result integer libcurl's
---@return string? words
function M.explain(settings, result)
  if result == THEIRS then return explain_theirs(settings) end
  if result == OURS and settings.client_cert then return explain_ours(settings) end
end

return M
