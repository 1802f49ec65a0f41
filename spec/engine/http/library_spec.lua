-- SPDX-License-Identifier: MIT
-- The library of engine.http, which is looked for beside the binary when HTTP is first asked for.
local Daemon = require("support.daemon")
local engine = require("engine")
local folder = require("support.folder")
local process = require("engine.process")

-- http.so of another version: all that is ever called of it.
local OTHER = [[
  void lua_pushstring(void *state, const char *text);
  int luaopen_engine_http_version(void *state) { lua_pushstring(state, "0.0.9"); return 1; }
]]

describe("engine.http without its library", function()
  local files

  -- A tree as the build makes it, but for http.so.
  before_each(function()
    files = folder.new()
    files:sh(("mkdir build && cp '%s' build/peerage-lua"):format(Daemon.binary()))
    for _, name in ipairs({ "engine", "lua", "providers" }) do files:sh(("ln -s '%s/%s' ."):format(engine.root, name)) end
    files:write("ask.lua", [[
      local http = require("engine.http")
      for _ = 1, 2 do print(select(2, http.request({ url = "http://127.0.0.1:1/" }))) end
    ]])
  end)

  after_each(function() files:remove() end)

  local function ask() return assert(process.run({ files.path .. "/build/peerage-lua", "run", files.path .. "/ask.lua" })).stdout end

  it("says so at each request", function()
    local path = files.path .. "/build/http.so"
    local said = ("cannot load HTTP: %s: cannot open shared object file: No such file or directory\tENOTSUP\n"):format(path)
    assert.equal(said:rep(2), ask())
  end)

  it("takes none of another version, as there is after an upgrade", function()
    files:write("other.c", OTHER)
    files:sh("cc -shared -fPIC -o build/http.so other.c")
    local said = ("cannot load HTTP: %s/build/http.so is of version 0.0.9, expected this engine's, %s: it needs a restart\tENOTSUP\n")
      :format(files.path, engine.version)
    assert.equal(said:rep(2), ask())
  end)
end)
