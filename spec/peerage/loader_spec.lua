-- SPDX-License-Identifier: MIT
-- Loading providers and connectors: where names lead, what a module must be, and what is said when it is not.
local Folder = require("support.folder")
local call = require("peerage.call")
local hostile = require("support.hostile")
local loader = require("peerage.loader")
local scopes = require("engine.scope")

local root = require("engine").root
local GOOD = "return { poll = function() return {} end }"

describe("the loader", function()
  local folder, config

  before_each(function()
    folder = Folder.new()
    config = { folder = folder.path, provider_path = {} }
  end)
  after_each(function() folder:remove() end)

  local function load(target, kind) return loader.load(kind or loader.PROVIDER, target, config) end

  local function refuses(target, expected, kind)
    local unit, message, files = load(target, kind)
    assert.is_nil(unit)
    assert.is_truthy(message:find(expected, 1, true), message)
    return files, message
  end

  describe("finds", function()
    it("what is built in, by its name and by Peerage's", function()
      for _, name in ipairs({ "dns", "list", "self", "udp" }) do
        assert.equal(("%s/providers/%s.lua"):format(root, name), (loader.find(loader.PROVIDER, name, config)))
      end
      for name, own in pairs({ ["Peerage.Via.Dns"] = "dns", ["Peerage.Via.Self"] = "self", ["Peerage.Via.Udp"] = "udp" }) do
        assert.equal(("%s/providers/%s.lua"):format(root, own), (loader.find(loader.PROVIDER, name, config)))
      end
      assert.equal(root .. "/lua/peerage/connectors/tcp.lua", (loader.find(loader.CONNECTOR, "tcp", config)))
    end)

    it("names in this order: built in, provider_path, beside the config, providers/ beside it", function()
      folder:sh("mkdir providers connectors more most")
      config.provider_path = { folder.path .. "/most", folder.path .. "/more" }
      local places = { "providers/homies.lua", "homies.lua", "more/homies.lua", "most/homies.lua" }
      for _, place in ipairs(places) do
        local path = folder:write(place, GOOD)
        assert.equal(path, (loader.find(loader.PROVIDER, "homies", config)))
      end
      folder:write("dns.lua", GOOD)
      assert.equal(root .. "/providers/dns.lua", (loader.find(loader.PROVIDER, "dns", config)))
      local path = folder:write("connectors/homies.lua", "")
      folder:sh("rm homies.lua more/homies.lua most/homies.lua")
      assert.equal(path, (loader.find(loader.CONNECTOR, "homies", config)))
    end)

    it("paths relative to the config's folder, and absolute ones", function()
      folder:sh("mkdir deep")
      local path = folder:write("deep/dns.lua", GOOD)
      for _, name in ipairs({ "deep/dns.lua", "./deep/dns.lua", path }) do
        assert.equal(GOOD, (select(2, loader.find(loader.PROVIDER, name, config))))
      end
      folder:write("list.lua", GOOD)
      assert.equal(folder.path .. "/list.lua", (loader.find(loader.PROVIDER, "list.lua", config)))
    end)

    it("nothing of an unknown name, and says each place it looked at, and what there is", function()
      config.provider_path = { "/srv/one", "/srv/two" }
      local _, message = refuses("homies", "")
      assert.equal(('unknown provider "homies": looked for /srv/one/homies.lua, /srv/two/homies.lua, %s/homies.lua, '
        .. "%s/providers/homies.lua; built in are dns, list, self, udp"):format(folder.path, folder.path), message)
      refuses("dsn", 'unknown provider "dsn": did you mean "dns"? looked for ')
      refuses("Peerage.Via.Dsn", 'did you mean "dns"?')
      refuses("tpc", 'unknown connector "tpc": did you mean "tcp"? looked for', loader.CONNECTOR)
      refuses("tpc", "built in are erlang, none, sidecar, tcp", loader.CONNECTOR)
      refuses("./homies.lua", 'unknown provider "./homies.lua": looked for ' .. folder.path .. "/./homies.lua; built in")
    end)

    it("a file that cannot be read, and says so instead of going on", function()
      folder:sh("mkdir homies.lua providers")
      folder:write("providers/homies.lua", GOOD)
      refuses("homies", folder.path .. "/homies.lua: cannot be read: it is a directory, expected a regular file")
    end)
  end)

  describe("gives a unit", function()
    it("of a file, with the texts of all that made it", function()
      local helper = folder:write("helper.lua", "return { 'a@b' }")
      local text = "local nodes = require('helper') return { poll = function() return nodes end }"
      local path = folder:write("homies.lua", text)
      local unit, message, files = load("homies")
      assert.is_nil(message)
      assert.same({ "homies", path }, { unit.name, unit.path })
      assert.same({ "a@b" }, unit.module.poll())
      assert.same({ [path] = text, [helper] = "return { 'a@b' }" }, unit.files)
      assert.equal(unit.files, files)
    end)

    it("that shares nothing with another of the same file", function()
      folder:write("homies.lua", "count = 0 local M = {} function M.poll() count = count + 1 return count end return M")
      local one, other = load("homies"), load("homies")
      assert.same({ 1, 2, 1 }, { one.module.poll(), one.module.poll(), other.module.poll() })
    end)

    it("of a function, which is poll and gets self", function()
      local unit = load(function(self) return { self.name } end)
      assert.same({ "me@here" }, unit.module.poll({ name = "me@here" }))
      assert.same({ "function", {} }, { unit.name, unit.files })
    end)

    it("of a function, which is asked about a node", function()
      local unit = load(function(node) return node.name end, loader.CONNECTOR)
      assert.equal("a@b", unit.module.connect({}, { name = "a@b" }))
    end)

    it("of a table", function()
      local module = { poll = function() end }
      local unit = load(module)
      assert.equal(module, unit.module)
      assert.same({ "table", {} }, { unit.name, unit.files })
    end)

    it("again from its texts, though the files have changed", function()
      local helper = folder:write("helper.lua", "return { 'old@b' }")
      local path = folder:write("homies.lua", "local nodes = require('helper') return { poll = function() return nodes end }")
      local old = load("homies")
      folder:write("helper.lua", "return { 'new@b' }")
      folder:write("homies.lua", "broken(")
      local again, message, files = loader.load(loader.PROVIDER, nil, nil, old)
      assert.is_nil(message)
      assert.are_not.equal(old.module, again.module)
      assert.same({ "old@b" }, again.module.poll())
      assert.same(old.files, again.files)
      assert.same({ [path] = true, [helper] = true }, { [path] = files[path] ~= nil, [helper] = files[helper] ~= nil })
      folder:remove()
      assert.same({ "old@b" }, loader.load(loader.PROVIDER, nil, nil, again).module.poll())
    end)
  end)

  describe("refuses", function()
    local function refuses_text(text, expected)
      local path = folder:write("homies.lua", text)
      local files, message = refuses("homies", expected)
      assert.equal(1, message:find(path .. ":", 1, true), message)
      assert.same({ [path] = text }, files)
    end

    it("a syntax error, with file and line", function() refuses_text("local M = {}\nreturn return", "homies.lua:2: ") end)
    it("a file that raises, with file and line", function() refuses_text("\nerror('boom')", "homies.lua:2: boom") end)
    it("a file that raises nothing", function() refuses_text("error(nil)", "raised nothing instead of a message") end)
    it("a file that raises a hostile table", function()
      refuses_text("error(setmetatable({}, { __tostring = error, __concat = error }))", "raised a table instead of a message")
    end)
    it("a number", function()
      refuses_text("return 42", "expected a table with poll(), found a number (42): does the file end with `return M`?")
    end)
    it("an empty file", function() refuses_text("", "expected a table with poll(), found nothing") end)
    it("a module without poll", function() refuses_text("return {}", "poll: expected a function, found nothing") end)
    it("a poll that is no function", function() refuses_text("return { poll = 1 }", "poll: expected a function, found a number (1)") end)
    it("a serve that is no function", function()
      refuses_text("return { poll = print, serve = true }", "serve: expected a function, found a boolean (true)")
    end)
    it("a connector one of whose functions is none", function()
      for _, name in ipairs({ "nodes", "check", "share", "counters" }) do
        folder:write("dialer.lua", ("return { connect = print, %s = 5 }"):format(name))
        refuses("dialer", ("dialer.lua: %s: expected a function, found a number (5)"):format(name), loader.CONNECTOR)
      end
    end)
    it("an exposure that is no function", function()
      refuses_text("return { poll = print, exposure = 'open' }", 'exposure: expected a function, found "open"')
    end)
    it("options that are no schema", function()
      refuses_text("return { poll = print, options = 5 }", "options: expected a plain table of options")
      refuses_text("return { poll = print, options = { port = { type = 'integre' } } }", 'did you mean "integer"?')
    end)
    it("compiled code", function() refuses_text(string.dump(function() end), "expected a Lua text, found compiled code") end)
    it("a global that is closed", function() refuses_text("os.exit(1)", "homies.lua:1: attempt to call field 'exit'") end)
    it("a file that wants the ffi", function()
      refuses_text("local ffi = require('ffi') return { poll = ffi }", "homies.lua:1: require: ffi is not open to providers")
    end)

    it("a file that waits too long at its top level, and its files are known all the same", function()
      local path = folder:write("slow.lua", "require('helper') require('engine.task').sleep(3600)")
      local helper = folder:write("helper.lua", "")
      local scope, files = scopes.new(), {}
      local ok, failure = call.run(scope, 1, loader.load, loader.PROVIDER, "slow", config, nil, files)
      scope:close()
      assert.same({ false, "timeout" }, { ok, failure.reason })
      assert.same({ [path] = "require('helper') require('engine.task').sleep(3600)", [helper] = "" }, files)
    end)

    it("a file beside it that does not compile, and names all files that were read", function()
      local helper = folder:write("helper.lua", "\n\nreturn return")
      local path = folder:write("homies.lua", "require('helper')")
      local files = refuses("homies", helper .. ":3: ")
      assert.same({ [helper] = "\n\nreturn return", [path] = "require('helper')" }, files)
    end)

    it("a connector without connect, or whose nodes is no function", function()
      folder:write("dialer.lua", "return { poll = print }")
      refuses("dialer", "connect: expected a function, found nothing", loader.CONNECTOR)
      folder:write("dialer.lua", "return { connect = print, nodes = {} }")
      refuses("dialer", "nodes: expected a function, found a table", loader.CONNECTOR)
    end)

    it("a table whose metatable would answer, without asking it", function()
      local table_of = hostile.table({})
      refuses(table_of, "the provider of the config: poll: expected a function, found nothing")
    end)
  end)
end)
