-- SPDX-License-Identifier: MIT
--- Finds the cookie of an Erlang node where erl finds its own, and makes it as erl does.
--- Invariant: the cookie is never in a message nor in the log.
local crypto = require("engine.crypto")
local fs = require("engine.fs")
local log = require("engine.log")
local timer = require("engine.timer")

local M = {}

local MAX = 255 -- bytes; in OTP a cookie is an atom
local MAX_FILE = 1024 -- bytes
local NAME = ".erlang.cookie"
local MADE_LETTERS, MADE_MODE = 20, 256 -- as erl makes it: 256 is octal 400
local TRIES, PAUSE = 10, 0.1 -- seconds; for a file that another process is making

--- Checks a cookie as erl checks what its file holds: printable ASCII, then nothing but line ends and blanks. A blank
--- before the first line end belongs to it.
---@param text string
---@return string|nil cookie without what follows it
---@return string? message where a byte is wrong, but not which
function M.check(text)
  local cookie, rest = text:match("^([ -~]*)(.*)$")
  if rest:find("[^\n\r ]") then
    if rest:find("^[\n\r]") then return nil, "expected one line, found more" end
    return nil, ("expected printable ASCII, found another byte at position %d"):format(#cookie + 1)
  end
  if cookie == "" then return nil, "expected a cookie, found nothing" end
  if #cookie > MAX then return nil, ("expected at most %d bytes, found %d"):format(MAX, #cookie) end
  return cookie
end

---@param private true|"owner" as in fs.read
---@return string|nil cookie, string? message, string? code of the system
local function read_file(path, private)
  local text, message, code = fs.read(path, { private = private, max = MAX_FILE })
  if not text then return nil, message, code end
  local cookie
  cookie, message = M.check(text)
  if not cookie then return nil, path .. ": " .. message end
  return cookie
end

-- 234 is the largest multiple of 26 that a byte can hold: all letters are equally likely.
local function random_letters()
  local letters = {}
  while #letters < MADE_LETTERS do
    local number = crypto.random(1):byte()
    if number < 234 then letters[#letters + 1] = string.char(65 + number % 26) end
  end
  return table.concat(letters)
end

-- Another process makes the file: erl does so in steps, and for a moment it is empty and open to all.
local function read_when_made(path)
  local cookie, message
  for _ = 1, TRIES do
    cookie, message = read_file(path, "owner")
    if cookie then break end
    timer.sleep(PAUSE)
  end
  return cookie, message
end

local function make(path)
  local ok, message, code = fs.write(path, random_letters(), { mode = MADE_MODE, exclusive = true })
  if code == "EEXIST" then return read_when_made(path) end
  if not ok then return nil, "no cookie: " .. message .. "; give the option cookie or cookie_file" end
  log.info("made a cookie: all nodes need the same one", { path = path })
  return read_file(path, "owner")
end

-- Where erl looks, in this order: auth.erl of OTP 25.
local function places(home)
  local config = os.getenv("XDG_CONFIG_HOME")
  if not config or config == "" then config = home .. "/.config" end
  return { home .. "/" .. NAME, config .. "/erlang/" .. NAME }
end

local function read_home(may_make)
  local home = os.getenv("HOME")
  if not home or home == "" then
    return nil, "no cookie: HOME is not set; give the option cookie or cookie_file"
  end
  local paths = places(home)
  for _, path in ipairs(paths) do
    local cookie, message, code = read_file(path, "owner")
    if cookie or code ~= "ENOENT" then return cookie, message end
  end
  if may_make then return make(paths[1]) end
  return nil, "no cookie: there is no " .. paths[1] .. "; give the option cookie or cookie_file"
end

---@class peerage.CookieOptions
---@field cookie? string
---@field cookie_file? string path; refused when others can read it
---@field may_make? boolean whether a missing ~/.erlang.cookie is made

--- The cookie: that of the options, of the file, or that of ~/.erlang.cookie (else of erlang/.erlang.cookie in
--- XDG_CONFIG_HOME, as with erl), which nobody but the owner may be able to read. Waits.
---@param options peerage.CookieOptions
---@return string|nil cookie
---@return string? message why there is none; with the path, without the cookie
function M.read(options)
  if options.cookie then
    local cookie, message = M.check(options.cookie)
    return cookie, message and "cookie: " .. message
  end
  if options.cookie_file then return read_file(options.cookie_file, true) end
  return read_home(options.may_make)
end

return M
