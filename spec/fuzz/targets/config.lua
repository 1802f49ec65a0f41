-- SPDX-License-Identifier: MIT
--- Configs as `--check` takes them: what is wrong with one is said, in words that begin with its path.
local Folder = require("support.folder")
local mutate = require("fuzz.mutate")
local peerage = require("peerage")
local plan = require("peerage.plan")
local values = require("fuzz.lua_values")
local chance, pick = mutate.chance, mutate.pick

local M = { waits = true }

local LONGEST = 3000 -- bytes of a message
local KEYS = {
  "name", "clusters", "erlang", "provider_path", "reload", "log_level", "log_format", "via", "connect", "interval", "sync_offset",
  "timeout", "connect_timeout", "serves", "log_results", "prune", "prune_after", "on_up", "on_down", "on_change", "budget",
  "memory_limit", "node_list", "dns_name", "app_name", "type", "servers", "tries", "port", "ip", "secret", "secret_file", "announce",
  "max_nodes", "multicast_addr", "cookie", "cookie_file", "hidden", "ticktime", "listen", "dist_port", "epmd", "max_frame", "keep",
}
local WORDS = {
  "'self'", "'list'", "'dns'", "'udp'", "'none'", "'tcp'", "'erlang'", "'sidecar'", "'Peerage.Via.Udp'", "'./homies.lua'", "'/dev/zero'",
  "'/dev/null'", "'./pipe.lua'", "'/'", "''", "'SRV'", "'auto'", "'info'", "'json'", "'64 MB'", "'always'", "{ 'tcp', port = 9000 }",
  "{ 1, 2 }", "{ 7, 3 }",
  "{ 'erlang', cookie = 'x' }", "'127.0.0.1:53'", "'a secret of sixteen'", "function() end", "env('HOME')", "env('NOT_SET')",
  "system('NOT_SET', 4000)", "system('HOME', tonumber)", "apply(error, {})", "apply(function() return { 1 } end)", "env('HOME') .. 'x'",
  "system('NOT_SET', false)", "system()", "{ poll = function() return {} end }", "{ options = 1 }",
}
local TOKENS = { "return", "{", "}", "=", ",", "..", "--", "[[", "]]", "'", "\"", "local x", "1e999", "\27Lua", "\239\187\191", "goto a" }

local function word() return pick(WORDS) end

local function any() return chance(70) and word() or values.value(2) end

local function field(write)
  if chance(3) then return write() .. ", " end
  return ("%s = %s, "):format(chance(3) and ("[%s]"):format(write()) or pick(KEYS), write())
end

local function fields(write)
  return mutate.several(0, 6, function() return field(write) end)
end

local function config(write)
  local clusters = ("clusters = { web = { %s }, [%s] = { %s } }, "):format(fields(write), write(), fields(write))
  local erlang = ("erlang = { %s }"):format(fields(write))
  return ("return { %s%s%s }"):format(fields(write), chance(30) and clusters or "", chance(30) and erlang or "")
end

-- Where the text itself is changed it has no counts: a config may do what it likes, and is not to blame for a gigabyte.
function M.generate()
  return chance(70) and config(any) or mutate.text(config(word), TOKENS)
end

local folder, path

function M.open()
  folder = Folder.new()
  path = folder:write("config.lua", "")
  folder:sh("mkfifo pipe.lua")
  folder:write("homies.lua", "return { poll = function() return {} end, options = { a = { type = 'integer' } } }")
end

function M.close() folder:remove() end

-- That of a provider's file begins with the path of that file.
local function check_message(message)
  assert(type(message) == "string", "a refusal without a message")
  assert(#message < LONGEST, "an endless message")
  assert(not message:find("lua/peerage/[%w_/]+%.lua:%d+:"), "an error of the engine's own: " .. message)
  local is_placed = message:sub(1, #path + 1) == path .. ":" or message:find(": cannot be read: ", 1, true)
    or message:find("^%.?/") or message:find("^homies")
  assert(is_placed, "a message that does not say where: " .. message)
end

function M.run(input)
  local file = assert(io.open(path, "wb"))
  file:write(input)
  file:close()
  local conf, message = peerage.load_config(path, { log_level = "error" })
  if not conf then return check_message(message) end
  local planned
  planned, message = plan.prepare(conf)
  if not planned then return check_message(message) end
  assert(#planned.clusters >= 1, "a plan without a cluster")
  for _, warning in ipairs(planned.warnings) do assert(type(warning) == "string", "a warning that is no text") end
end

return M
