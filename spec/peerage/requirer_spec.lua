-- SPDX-License-Identifier: MIT
-- `require` of a provider: where it looks, and that nobody else sees what is done to what it gives.
local Folder = require("support.folder")
local accounts = require("peerage.accounts")
local call = require("peerage.call")
local environment = require("peerage.environment")
local fs = require("engine.fs")
local process = require("engine.process")
local requirer = require("peerage.requirer")
local scopes = require("engine.scope")

describe("require of a provider", function()
  local folder, unit

  before_each(function()
    folder = Folder.new()
    unit = { files = {} }
  end)
  after_each(function() folder:remove() end)

  local function make(memory)
    local globals = environment.new()
    globals.require = requirer.new(unit, folder.path, memory, globals)
    return globals.require, globals
  end

  local function fails(expected, fn, ...)
    local ok, message = pcall(fn, ...)
    assert.is_false(ok)
    assert.is_truthy(message:find(expected, 1, true), message)
  end

  it("finds files beside it, in folders as well, and notes each", function()
    folder:sh("mkdir -p lib/two")
    local one = folder:write("one.lua", "return { name = ... }")
    local two = folder:write("lib/two/init.lua", "return { name = ... }")
    local require = make()
    assert.same({ "one", "lib.two" }, { require("one").name, require("lib.two").name })
    assert.same({ [one] = "return { name = ... }", [two] = "return { name = ... }" }, unit.files)
  end)

  it("runs a file once, in the provider's globals", function()
    folder:write("counter.lua", "count = (count or 0) + 1")
    local require, globals = make()
    assert.is_true(require("counter"))
    assert.is_true(require("counter"))
    assert.equal(1, globals.count)
    assert.is_nil(rawget(_G, "count"))
  end)

  it("gives a module that is false", function()
    folder:write("no.lua", "return false")
    assert.is_false(make()("no"))
  end)

  it("prefers the engine's modules to files beside it, and these to the system's", function()
    folder:write("engine.lua", "return 'beside'")
    folder:write("cjson.lua", "return 'beside'")
    local require = make()
    assert.equal("table", type(require("engine")))
    assert.equal("function", type(require("engine.udp").open))
    assert.equal("function", type(require("peerage.node").split))
    assert.equal("beside", require("cjson"))
  end)

  it("names file and line of a file beside it that does not compile or raises, and tries again", function()
    local path = folder:write("bad.lua", "\nreturn return")
    local require = make()
    fails(path .. ":2:", require, "bad")
    assert.equal("\nreturn return", unit.files[path])
    folder:write("bad.lua", "error('boom')")
    fails("bad.lua:1: boom", require, "bad")
    folder:write("bad.lua", "return 1")
    assert.equal(1, require("bad"))
  end)

  it("passes on what a file raised, be it nothing", function()
    folder:write("nothing.lua", "error(nil)")
    assert.same({ false }, { pcall(make(), "nothing") })
  end)

  it("says where it looked for what there is not", function()
    fails(("module 'no.such' not found: looked for %s/no/such.lua, %s/no/such/init.lua and on the system's Lua path"):format(
      folder.path, folder.path), make(), "no.such")
  end)

  it("does not look in the current folder", function()
    folder:write("here.lua", "return 'found'")
    local script = folder:write("script.lua", [[
      local require = require("peerage.requirer").new({ files = {} }, "/nowhere", nil, require("peerage.environment").new())
      print(select(2, pcall(require, "here")))]])
    local result = assert(process.run({ fs.realpath("/proc/self/exe"), "run", script, cwd = folder.path }))
    assert.equal("module 'here' not found", result.stdout:match("^module 'here' not found"), result.stdout .. result.stderr)
  end)

  it("tells a module that requires itself", function()
    folder:write("a.lua", "require('b')")
    folder:write("b.lua", "require('a')")
    fails("a is being loaded: it requires itself", make(), "a")
  end)

  describe("loads again what was ended in the middle:", function()
    local scope, account

    before_each(function()
      account = accounts.new("provider", { budget = 0.3, memory_limit = 2 ^ 20 })
      scope = scopes.new("provider", nil, account)
    end)
    after_each(function() scope:close() end)

    local SLOW = {
      ["a loop"] = { "while true do end", "held the engine", 30 },
      ["too much memory"] = { "local t = {} while true do t[#t + 1] = {} end", "not enough memory", 30 },
      ["a wait"] = { "require('engine.task').sleep(60)", "timed out", 0.3 },
    }

    for what, case in pairs(SLOW) do
      it("a file with " .. what, function()
        folder:write("helper.lua", case[1])
        local require = make()
        local ok, failure = call.run(scope, case[3], require, "helper")
        assert.is_false(ok)
        assert.is_truthy(failure.message:find(case[2], 1, true), failure.message)
        folder:write("helper.lua", "return 'whole'")
        assert.equal("whole", require("helper"))
      end)
    end

    it("a module of the system, and what it requires, for all", function()
      local inner = folder:write("slow_inner.lua", "while true do end")
      folder:write("slow_outer.lua", "return require('slow_inner')")
      local path, one = package.path, requirer.new(unit, "/nowhere", nil, environment.new())
      package.path = folder.path .. "/?.lua;" .. path
      local ok, failure = call.run(scope, 30, one, "slow_outer")
      assert.is_false(ok)
      assert.is_truthy(failure.message:find("held the engine", 1, true), failure.message)
      assert.same({}, { package.loaded.slow_outer, package.loaded.slow_inner })
      assert(fs.write(inner, "return 'whole'"))
      local again = { pcall(requirer.new(unit, "/nowhere", nil, environment.new()), "slow_outer") }
      package.path, package.loaded.slow_outer, package.loaded.slow_inner = path, nil, nil
      assert.same({ true, "whole" }, again)
    end)
  end)

  it("is a wrong call without a name", function() fails("expected a module's name, found a nil", make(), nil) end)

  for _, name in ipairs({ "debug", "ffi", "jit", "jit.util", "package", "engine.udp.core", "engine.log.repeats", "engine.signal",
    "engine.stream", "peerage.registry", "peerage.roster", "peerage.service", "peerage.instance", "peerage.accounts",
    "peerage.stats", "peerage.erlang.etf", "peerage.no_such", "peerage/registry", "lua.peerage.accounts",
    "engine/signal" }) do
    it("does not give " .. name, function() fails(("require: %s is not open to providers"):format(name), make(), name) end)
  end

  it("gives the provider's own copies of the libraries", function()
    local require, globals = make()
    for _, name in ipairs({ "string", "table", "math", "io", "os", "coroutine", "bit", "_G" }) do
      assert.equal(globals[name], require(name))
    end
    assert.is_nil(require("os").exit)
    assert.are_not.equal(_G, require("_G"))
  end)

  it("hides from others what one does to a module", function()
    local one, other = make(), make()
    one("engine.udp").open = nil
    one("peerage.node").split = nil
    one("cjson").decode = nil
    one("engine.log").info = nil
    assert.equal("function", type(other("engine.udp").open))
    assert.equal("function", type(other("peerage.node").split))
    assert.equal("function", type(other("cjson").decode))
    assert.equal("function", type(require("engine.udp").open))
    assert.equal("function", type(require("cjson").decode))
    assert.equal("function", type(require("engine.log").info))
  end)

  it("gives the built-in ones what they need besides", function()
    local root = require("engine").root
    for folder_of, name in pairs({ ["/providers"] = "peerage.roster", ["/lua/peerage/connectors"] = "peerage.erlang.node" }) do
      assert.equal("table", type(requirer.new(unit, root .. folder_of, nil, environment.new())(name)))
    end
  end)

  it("gives of the engine as a whole what it costs and its version", function()
    local names = {}
    for name in pairs(make()("peerage")) do names[#names + 1] = name end
    table.sort(names)
    assert.same({ "stats", "version" }, names)
    assert.equal("function", type(require("peerage").start))
  end)

  it("shows no class by an object", function()
    local require = make()
    local tcp, process_of = require("engine.tcp"), require("engine.process")
    local listener = assert(tcp.listen({ host = "127.0.0.1", port = 0 }))
    local client = assert(tcp.connect({ host = "127.0.0.1", port = select(2, listener:address()) }))
    local child, signals = assert(process_of.start({ "true" })), assert(process_of.signals("USR2"))
    local watcher = assert(require("engine.fs").watch(folder.path))
    for _, object in ipairs({ listener, client, child, signals, watcher }) do assert.is_nil(object.__index) end
    for _, object in ipairs({ listener, client, signals, watcher, child }) do object:close() end
  end)

  for _, name in ipairs({ "cjson", "cjson.safe" }) do
    it("gives a " .. name .. " with settings of its own", function()
      local one, other = make()(name), make()(name)
      one.encode_invalid_numbers("null")
      one.encode_max_depth(1)
      for _, json in ipairs({ other, require(name) }) do
        assert.equal("[[[1]]]", json.encode({ { { 1 } } }))
        local ok, text = pcall(json.encode, 0 / 0)
        assert.is_falsy(ok and text)
      end
    end)
  end

  it("keeps back what is set, or ended, for the whole process", function()
    local log, processes = make()("engine.log"), make()("engine.process")
    for _, name in ipairs({ "capture", "format", "level", "repeat_window" }) do assert.is_nil(log[name], name) end
    assert.same({ "function", "nil", "nil", "function" },
      { type(log.info), type(processes.exit_now), type(processes.notify), type(processes.run) })
    assert.same({ "function", "function" }, { type(require("engine.log").level), type(process.exit_now) })
  end)

  it("gives from memory what the version had, and not what is on disk now", function()
    local path = folder:write("helper.lua", "return 'new'")
    local optional = folder:write("optional.lua", "return 'new'")
    local require = make({ [path] = "return 'old'" })
    assert.equal("old", require("helper"))
    fails("not found", require, "optional")
    assert.same({ "return 'old'", false }, { unit.files[path], unit.files[optional] })
  end)

  it("notes where it looked in vain, for a file may come", function()
    fails("not found", make(), "one.two")
    assert.same({ [folder.path .. "/one/two.lua"] = false, [folder.path .. "/one/two/init.lua"] = false }, unit.files)
  end)

  it("reads from disk what a version from memory asks for once it runs", function()
    folder:write("late.lua", "return 'late'")
    local require = make({})
    unit.module = {}
    assert.equal("late", require("late"))
  end)

  it("says why a file that is there cannot be read", function()
    folder:sh("mkdir odd.lua")
    fails("odd.lua: cannot be read: it is a directory, expected a regular file", make(), "odd")
  end)
end)
