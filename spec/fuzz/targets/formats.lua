-- SPDX-License-Identifier: MIT
--- What files, programs and APIs say: whatever that is, nodes come out, or a message. The input's first line is the format
--- and what to select, the second the app_name.
local formats = require("peerage.formats")
local mutate = require("fuzz.mutate")
local node = require("peerage.node")
local paths = require("peerage.formats.path")

local M = {}

local SAMPLES = {
  lines = { "app@10.0.0.1\n# all\n 10.0.0.2:80 # b\r\n[fd00::1]:9\n", "a@h", "" },
  json = {
    '["a@h", "10.0.0.1:80", { "name": "b@h", "port": 1, "meta": { "z": [1, null] } }]',
    '{ "items": [{ "status": { "podIP": "10.0.0.1" } }, { "status": {} }, {}] }', "[]", '{"items":[["a@h"],[]]}',
  },
  prometheus = { '[{ "targets": ["h:1", "[fd00::1]:80"], "labels": { "a": "b" } }, { "targets": [] }]', "[]" },
  erlang = { "'a.b'.\n% c\n  h . 'c\\'d'. ", "" },
  hosts = { "127.0.0.1 localhost\n10.0.0.1 a b # c\nfe80::1%eth0 x\n", "::1 x" },
}
local WORDS = {
  "@", ":", ":80", ":0", "[", "]", "{", "}", '"', "'", ".", "#", "%", "\n", "\r\n", "\0", "\255", "10.0.0.1", "fd00::1", "app@", "null",
  '"targets"', '"name"', "app@h:80", ("a"):rep(300), (" "):rep(1e5), "\239\187\191",
}
local SELECTS = { "", "items", "items[]", "items[].status.podIP", "[]", "items[][]", '["items"]', "[", "a..b", ".", "items[].status" }

function M.generate()
  local format = mutate.pick(formats.names)
  local select = format == "json" and mutate.pick(SELECTS) or ""
  return ("%s %s\n%s\n"):format(format, select, mutate.pick({ "", "app" })) .. mutate.text(mutate.pick(SAMPLES[format]), WORDS)
end

local function check_node(entry)
  local again = assert(node.parse(entry))
  assert(again.name == entry.name and again.port == entry.port, "a node that is none")
end

local function check_message(message)
  assert(type(message) == "string" and message ~= "" and #message < 1000, "no message, or an endless one")
  assert(not message:find("%c"), "a message that is not printable")
end

function M.run(input)
  local format, select, app_name, text = input:match("^(%l+) ([^\n]*)\n([^\n]*)\n(.*)$")
  local options = { select = select ~= "" and select or nil, app_name = app_name ~= "" and app_name or nil }
  if not pcall(formats.check, format, options) then return end -- what a config cannot say
  if not formats.check(format, options) then return end
  if options.select then
    local path, message = paths.parse(options.select)
    if not path then return check_message(message) end
  end
  if options.app_name and not node.is_name(options.app_name .. "@h") then return end
  local nodes, message = formats.read(format, text, options)
  if message ~= nil then check_message(message) end
  if not nodes then return assert(message, "neither nodes nor a message") end
  for _, entry in ipairs(nodes) do check_node(entry) end
end

return M
