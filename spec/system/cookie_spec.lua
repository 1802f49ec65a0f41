-- SPDX-License-Identifier: MIT
-- Cookies as a real erl finds and makes them, beside ours.
local Erlang = require("support.erlang")
local Folder = require("support.folder")
local cookies = require("peerage.erlang.cookie")
local fs = require("engine.fs")
local log = require("engine.log")

-- Has erl read its cookie anew, as it does when it becomes a node, and tell its bytes.
local READ = [[
  process_flag(trap_exit, true),
  case auth:start_link() of
    {ok, Pid} ->
      Cookie = element(2, sys:get_state(Pid)),
      gen_server:stop(Pid),
      lists:flatten(lists:join(",", [integer_to_list(Byte) || Byte <- atom_to_list(Cookie)]));
    {error, _} -> refused
  end]]

local TEXTS = {
  "abc", "abc\n", "abc\r\n", " abc \r\n \n", "   ", "a b~!\"\\", "a\tb", "abc\ndef\n", "abc\n\t", "\nabc", "", "\n", "caf\195\169",
  "abc\127", "abc\0", ("x"):rep(255), ("x"):rep(255) .. "\n", ("x"):rep(256),
}

describe("a cookie of erl", function()
  if not Erlang.is_there() then return pending("erl is not installed") end

  local folder, erl, getenv

  setup(function() getenv = os.getenv end)

  before_each(function()
    folder = Folder.new()
    os.getenv = function(name) -- luacheck: ignore 122
      if name == "HOME" then return folder.path end
      return name ~= "XDG_CONFIG_HOME" and getenv(name) or nil
    end
    erl = Erlang.start({ env = { HOME = folder.path, XDG_CONFIG_HOME = false } })
    log.capture(function() end)
  end)

  after_each(function()
    os.getenv = getenv -- luacheck: ignore 122
    log.capture()
    erl:stop()
    folder:remove()
  end)

  local function read_by_erl()
    local answer = erl:eval(READ)
    return answer ~= "refused" and answer:match('^"(.*)"$') or nil
  end

  local function read_by_us(may_make)
    local cookie = cookies.read({ may_make = may_make })
    return cookie and (cookie:gsub(".", function(byte) return byte:byte() .. "," end):gsub(",$", "")) or nil
  end

  local function write(text, mode)
    assert(fs.write(folder.path .. "/.erlang.cookie", text, { mode = tonumber(mode or "400", 8) }))
  end

  it("is for us what it is for erl, and what erl refuses is refused", function()
    local taken = 0
    for _, text in ipairs(TEXTS) do
      write(text)
      local expected = read_by_erl()
      assert.equal(expected, read_by_us(), ("a file of %q"):format(text))
      if expected then taken = taken + 1 end
    end
    assert.equal(8, taken)
    for _, mode in ipairs({ "440", "404", "600" }) do
      write("abc", mode)
      assert.equal(read_by_erl(), read_by_us(), mode)
    end
  end)

  it("that erl made is taken by us", function()
    local made = read_by_erl()
    assert.truthy(made:find("^%d+,"), made)
    assert.equal(made, read_by_us())
  end)

  it("that we made is taken by erl", function()
    local made = read_by_us(true)
    assert.equal(20, select(2, made:gsub("%d+", "")))
    assert.equal(made, read_by_erl())
  end)

  it("that erl keeps in its second place is taken by us", function()
    folder:sh("mkdir -p .config/erlang")
    assert(fs.write(folder.path .. "/.config/erlang/.erlang.cookie", "SECOND", { mode = 256 }))
    assert.equal(read_by_erl(), read_by_us(true))
    assert.is_nil(fs.stat(folder.path .. "/.erlang.cookie"))
  end)
end)
