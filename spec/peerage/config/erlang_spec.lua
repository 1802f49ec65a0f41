-- SPDX-License-Identifier: MIT
-- The options of the process's one Erlang node: one set of them for all clusters, wherever they stand.
local config = require("peerage.config")

local function load(text)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write("return " .. text)
  file:close()
  local result, message = config.load(path, { getenv = function() end })
  os.remove(path)
  return result, message and "config.lua" .. message:sub(#path + 1)
end

local function options(text, name) return assert(load(text)).clusters[name or "default"].connect.options end

local function refusal(text)
  local result, message = load(text)
  assert.is_nil(result)
  return message
end

describe("the options of the Erlang node", function()
  it("are those of erlang and of connect together", function()
    assert.same({ cookie = "c", hidden = true }, options('{ erlang = { cookie = "c" }, connect = { "erlang", hidden = true } }'))
    assert.same({ cookie = "c" }, options('{ erlang = { cookie = "c" }, connect = "sidecar" }'))
    assert.same({ cookie = "c" }, options('{ erlang = { cookie = "c" }, name = "a@b" }'))
    assert.same({ cookie = "c" }, options('{ connect = { "erlang", cookie = "c" } }'))
    assert.same({}, options('{ connect = "erlang" }'))
  end)

  it("are those of all clusters together, and no other connector's", function()
    local text = [[{ erlang = { cookie = "c" }, clusters = {
      a = { connect = { "erlang", hidden = true } }, b = { connect = { "erlang", dist_port = { 1, 2 } } },
      c = { connect = { "tcp", port = 9 } }, d = { connect = { connect = function() end } } } }]]
    local all = { cookie = "c", hidden = true, dist_port = { 1, 2 } }
    assert.same({ all, all, { port = 9 }, {} }, { options(text, "a"), options(text, "b"), options(text, "c"), options(text, "d") })
  end)

  it("may say the same twice, and a default may stand at the top level", function()
    local text = [[{ erlang = { dist_port = { 1, 2 } }, connect = { "erlang", dist_port = { 1, 2 } }, clusters = {
      a = {}, b = {}, c = { connect = { "erlang", hidden = false, dist_port = { 1, 2 } } } } }]]
    for _, name in ipairs({ "a", "b", "c" }) do assert.same({ dist_port = { 1, 2 }, hidden = false }, options(text, name)) end
  end)

  it("have one value each; which is wrong is said without showing either", function()
    for text, message in pairs({
      ['{ erlang = { cookie = "hunter2" }, connect = { "erlang", cookie = "hunter3" } }'] =
        "connect: cookie: another value stands in erlang",
      ['{ clusters = { a = { connect = { "erlang", cookie = "hunter2" } }, b = { connect = { "erlang", cookie = "hunter3" } } } }'] =
        "clusters.b.connect: cookie: another value stands in clusters.a.connect",
      ['{ erlang = { hidden = false }, clusters = { a = { connect = { "sidecar", hidden = true } } } }'] =
        "clusters.a.connect: hidden: another value stands in erlang",
      ['{ erlang = { dist_port = { 1, 2 } }, connect = { "erlang", dist_port = { 1, 3 } } }'] =
        "connect: dist_port: another value stands in erlang",
    }) do
      assert.equal("config.lua: " .. message .. ": a process has one Erlang node, so there is one for all", refusal(text))
    end
  end)

  it("are of one connector in a process", function()
    local because = ": a process speaks for its name in one of these ways only"
    assert.equal('config.lua: clusters.a.connect is "erlang" and clusters.b.connect is "sidecar"' .. because,
      refusal('{ clusters = { a = { connect = "erlang" }, b = { connect = "sidecar" } } }'))
    assert.equal('config.lua: clusters.a.connect is "erlang" (not given) and clusters.b.connect is "sidecar"' .. because,
      refusal('{ name = "a@b", clusters = { a = {}, b = { connect = "sidecar" } } }'))
  end)

  it("are warned about when nothing connects by it", function()
    local result = assert(load('{ erlang = { cookie = "hunter2" }, connect = "tcp" }'))
    assert.equal(1, #result.warnings)
    assert.matches(": erlang: no cluster connects by erlang or sidecar$", result.warnings[1])
    for _, text in ipairs({ "", "clusters = { a = { connect = 'tcp' }, b = {} }" }) do
      result = assert(load('{ erlang = { cookie = "hunter2" }, ' .. text .. " }"))
      assert.equal(1, #result.warnings)
      assert.matches(': no cluster connects by erlang or sidecar: give a name, then connect = "erlang" is the default$', result.warnings[1])
    end
    assert.same({}, load('{ erlang = { cookie = "hunter2" }, connect = "erlang" }').warnings)
    assert.same({}, load("{}").warnings)
  end)

  it("stand at the top level", function()
    assert.equal("config.lua: clusters.web: erlang is a key of the engine: write it at the top level",
      refusal("{ clusters = { web = { erlang = {} } } }"))
  end)
end)
