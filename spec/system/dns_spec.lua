-- SPDX-License-Identifier: MIT
local DnsDaemon = require("support.dns_daemon")
local Folder = require("support.folder")
local json = require("cjson")
local run = require("support.run_cli")

local CONFIG = 'return { via = "dns", dns_name = "%s", app_name = "myapp", servers = { "%s" }, %s }'

describe("the dns provider in a real process", function()
  local folder

  before_each(function() folder = Folder.new() end)
  after_each(function() folder:remove() end)

  local function once(text, ...)
    folder:write("config.lua", text)
    return run({ "--once", "config.lua", ... }, { cwd = folder.path })
  end

  it("finds localhost without any server", function()
    local result = once('return { via = "dns", dns_name = "localhost", app_name = "myapp" }', "--json")
    assert.are.equal(0, result.code)
    assert.are.equal("myapp@127.0.0.1", json.decode(result.stdout).name)
  end)

  describe("with knot", function()
    if not DnsDaemon.has("knotd") then return pending("knotd is not installed") end

    local knot

    setup(function()
      local lines = {}
      for i = 0, 999 do lines[#lines + 1] = ("many A 10.1.%d.%d"):format(math.floor(i / 250), i % 250 + 1) end
      lines[#lines + 1] = "two A 10.0.0.1"
      lines[#lines + 1] = "two A 10.0.0.2"
      lines[#lines + 1] = "two AAAA fd00::1"
      lines[#lines + 1] = "six AAAA fd00::1"
      lines[#lines + 1] = "_app._tcp SRV 0 0 4000 two"
      lines[#lines + 1] = "empty TXT nothing"
      knot = DnsDaemon.knot("example.org", table.concat(lines, "\n"))
    end)

    teardown(function() knot:stop() end)

    local function ask(name, more, ...) return once(CONFIG:format(name, knot.address, more or ""), ...) end

    it("prints a thousand nodes for a thousand addresses", function()
      local result = ask("many.example.org.", nil, "--json")
      local count, first = 0, nil
      for line in result.stdout:gmatch("[^\n]+") do
        count, first = count + 1, first or json.decode(line)
      end
      assert.are.equal(1000, count)
      assert.are.same({ name = "myapp@10.1.0.1", host = "10.1.0.1", source = "dns" }, first)
    end)

    for what, case in pairs({
      A = { "two.example.org.", "", "myapp@10.0.0.1\nmyapp@10.0.0.2\n" },
      AAAA = { "six.example.org.", 'type = "AAAA"', "myapp@fd00::1\n" },
      any = { "two.example.org.", 'type = "any"', "myapp@10.0.0.1\nmyapp@10.0.0.2\nmyapp@fd00::1\n" },
      SRV = { "_app._tcp.example.org.", 'type = "SRV"', "myapp@two.example.org\n" },
    }) do
      it("finds nodes by " .. what, function() assert.are.equal(case[3], ask(case[1], case[2]).stdout) end)
    end

    it("gives the port of an SRV record", function()
      assert.are.equal(4000, json.decode(ask("_app._tcp.example.org.", 'type = "SRV"', "--json").stdout).port)
    end)

    it("is certain that there are none when the name or the record does not exist", function()
      assert.are.equal(1, ask("missing.example.org.").code)
      assert.are.equal(1, ask("empty.example.org.").code)
    end)

    it("could not find out when the server refuses, and names server and question", function()
      local result = ask("www.elsewhere.test.")
      assert.are.equal(69, result.code)
      assert.is_truthy(result.stderr:find(knot.address, 1, true), result.stderr)
      assert.is_truthy(result.stderr:find("www.elsewhere.test", 1, true), result.stderr)
    end)

    it("does not lose the poll to a dead first server", function()
      local text = 'return { via = "dns", dns_name = "two.example.org.", app_name = "myapp", servers = { "127.0.0.1:1", "%s" } }'
      assert.are.equal("myapp@10.0.0.1\nmyapp@10.0.0.2\n", once(text:format(knot.address)).stdout)
    end)
  end)
end)
