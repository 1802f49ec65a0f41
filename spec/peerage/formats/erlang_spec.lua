-- SPDX-License-Identifier: MIT
-- The file .hosts.erlang; what Erlang itself reads of the same text is what we read.
local Folder = require("support.folder")
local formats = require("peerage.formats")
local process = require("engine.process")

local function read(text) return formats.read("erlang", text, { app_name = "web" }) end

local function names(text)
  local list = {}
  for i, node in ipairs(assert(read(text))) do list[i] = node.name end
  return list
end

-- As net_adm:host_file/0 reads it.
local function as_erlang(text)
  local folder = Folder.new()
  folder:write(".hosts.erlang", text)
  local result = process.run({
    "erl", "-noshell", "-eval", 'H = net_adm:host_file(), is_list(H) andalso [io:format("web@~s~n", [X]) || X <- H], halt().',
    cwd = folder.path, env = { HOME = folder.path }, timeout = 20,
  })
  folder:remove()
  if not result then return nil end
  local list = {}
  for name in result.stdout:gmatch("[^\n]+") do list[#list + 1] = name end
  return list
end

describe(".hosts.erlang", function()
  it("is read as Erlang reads it", function()
    local text = [[
% those that there are
'super.eua.ericsson.se'.
'renat.eua.ericsson.se'.   % a comment
  'grouse.eua.ericsson.se' .  localhost.
'10.0.0.1'.
'\h' % its dot comes
. h_2.]] .. "\n"
    local expected = as_erlang(text)
    if not expected then return pending("erl is not installed") end
    assert.are.equal(7, #expected)
    assert.are.same(expected, names(text))
  end)

  it("may be empty", function() assert.are.same({}, read("% nobody\n\n")) end)

  it("names the line that is wrong", function()
    for _, case in ipairs({
      { "'a'.\n'b'\n'c'.", 2 }, { "'a'.\nb.c.\n", 2 }, { "'a'.\n\n'b", 3 }, { "'a'.\n'b'", 2 }, { "^", 1 }, { "'a'.\n[b].", 2 },
      { "Host.", 1 }, { "'a\nb'.", 1 }, { "'a'.\n'b\\", 2 },
    }) do
      local list, message = read(case[1])
      assert.is_nil(list)
      assert.is_truthy(message:find(("line %d: expected a host and a dot, such as 'web1.example.org'., found "):format(case[2]), 1,
        true), message)
    end
    local _, message = read("'a'.\n'b c'.")
    assert.is_truthy(message:find("^line 2: .*is not allowed after"), message)
  end)
end)
