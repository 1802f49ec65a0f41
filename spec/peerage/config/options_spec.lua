-- SPDX-License-Identifier: MIT
-- Options once provider and connector are known: what is whose, and what to say of what is nobody's.
local config = require("peerage.config")

local dns = { name = "dns", options = { dns_name = { type = "string", default = "localhost" }, port = { type = "integer" } } }
local erlang = { name = "erlang", options = { cookie = { type = "string", secret = true }, port = { type = "integer" } } }
local none = { name = "none" }

local function cluster(text)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write("return " .. text)
  file:close()
  local loaded, message = config.load(path, { getenv = function() end })
  os.remove(path)
  assert(loaded, message)
  return select(2, next(loaded.clusters)), path
end

local function options(text, provider, connector)
  return assert(config.provider_options((cluster(text)), provider, connector or none))
end

local function refusal(text, provider, connector)
  local settings, path = cluster(text)
  local result, message = config.provider_options(settings, provider, connector or none)
  assert.is_nil(result)
  assert.equal(path, message:sub(1, #path))
  return "config.lua" .. message:sub(#path + 1)
end

describe("a provider's options", function()
  it("are validated by its schema, beside via and inside it", function()
    assert.same({ dns_name = "x" }, (options('{ via = "dns", dns_name = "x" }', dns)))
    assert.same({ dns_name = "localhost", port = 9 }, (options('{ via = { "dns", port = 9 } }', dns)))
  end)

  it("are refused with their place", function()
    assert.equal('config.lua: port: expected an integer, found "x"', refusal('{ via = "dns", port = "x" }', dns))
    assert.equal('config.lua: via: port: expected an integer, found "x"', refusal('{ via = { "dns", port = "x" } }', dns))
    assert.equal('config.lua: clusters.web: port: expected an integer, found "x"',
      refusal('{ clusters = { web = { via = "dns", port = "x" } } }', dns))
    assert.equal('config.lua: clusters.web.via: port: expected an integer, found "x"',
      refusal('{ clusters = { web = { via = { "dns", port = "x" } } } }', dns))
    assert.equal('config.lua: via: port: expected an integer, found "x"',
      refusal('{ via = { "dns", port = "x" }, clusters = { web = {} } }', dns))
  end)

  it("that are unknown are refused with the nearest of provider, cluster and engine", function()
    assert.equal('config.lua: unknown option "dns_nam": did you mean "dns_name"?', refusal('{ via = "dns", dns_nam = "x" }', dns))
    assert.equal('config.lua: unknown option "intervall": did you mean "interval"?', refusal('{ via = "dns", intervall = 1 }', dns))
    assert.equal('config.lua: unknown option "log_levle": did you mean "log_level"?', refusal('{ via = "dns", log_levle = 1 }', dns))
    assert.equal('config.lua: unknown option "whatever": known options are dns_name, port', refusal('{ via = "dns", whatever = 1 }', dns))
  end)

  it("without a via are refused with a hint that there is none", function()
    assert.equal('config.lua: unknown option "dns_name": there are no options here (without a via, the provider is "self")',
      refusal('{ dns_name = "x" }', { name = "self", options = {} }))
  end)

  it("inside via are not the cluster's keys, unless the provider has one of that name", function()
    assert.equal("config.lua: via: interval is not an option of the provider: write it beside via",
      refusal('{ via = { "dns", interval = 3 } }', dns))
    assert.same({ interval = 3 }, (options('{ via = { "x", interval = 3 } }', { options = { interval = { type = "number" } } })))
  end)

  it("that only the connector knows are refused", function()
    assert.equal('config.lua: cookie belongs to connect: write connect = { "erlang", cookie = … }',
      refusal('{ via = "dns", connect = "erlang", cookie = "hunter2" }', dns, erlang))
    assert.same({ dns_name = "localhost", port = 9 }, (options('{ via = "dns", connect = "erlang", port = 9 }', dns, erlang)))
  end)

  it("without a schema are handed over as they are", function()
    local got, warnings = options("{ via = print, size = 3, nested = { 1 } }", {})
    assert.same({ size = 3, nested = { 1 } }, got)
    assert.same({}, warnings)
  end)

  it("without a schema are warned about when they resemble a key of cluster or engine", function()
    local settings, path = cluster('{ via = "homies", intervall = 3, size = 1, reloda = true }')
    local got, warnings = config.provider_options(settings, { name = "homies" }, none)
    assert.same({ intervall = 3, size = 1, reloda = true }, got)
    assert.same({
      path .. ': intervall is given to the provider: did you mean "interval"?',
      path .. ': reloda is given to the provider: did you mean "reload"?',
    }, warnings)
  end)

  it("without a schema are warned about when the connector has such an option", function()
    local settings, path = cluster('{ via = "homies", connect = "erlang", cookie = "hunter2" }')
    local _, warnings = config.provider_options(settings, { name = "homies" }, erlang)
    assert.same({ path .. ': cookie is given to the provider: the connector has such an option too: write connect = '
      .. '{ "erlang", cookie = … }' }, warnings)
  end)

  it("are refused by a schema that is wrong itself, with the provider's name", function()
    assert.equal('config.lua: provider "homies": options: port: type: unknown type "interger": did you mean "integer"?',
      refusal('{ via = "homies" }', { name = "homies", options = { port = { type = "interger" } } }))
  end)
end)

describe("a connector's options", function()
  it("are validated by its schema", function()
    assert.same({ cookie = "x" }, (config.connector_options((cluster('{ connect = { "erlang", cookie = "x" } }')), erlang)))
    assert.same({}, (config.connector_options((cluster("{}")), erlang)))
  end)

  it("are refused with their place, and without the secret", function()
    local settings, path = cluster('{ connect = { "erlang", cookie = 8675309 } }')
    local result, message = config.connector_options(settings, erlang)
    assert.is_nil(result)
    assert.equal(path .. ": connect: cookie: expected a string, found a number", message)
  end)

  it("that are unknown are refused", function()
    local settings, path = cluster('{ clusters = { web = { connect = { "erlang", cooky = "x" } } } }')
    local _, message = config.connector_options(settings, erlang)
    assert.equal(path .. ': clusters.web.connect: unknown option "cooky": did you mean "cookie"?', message)
  end)

  describe("of the Erlang node, which stand in several places,", function()
    local CONFIG = [[{ erlang = { %s }, clusters = {
      web = { connect = { "erlang", port = 9 } }, cache = { connect = { "erlang", %s } } } }]]

    local function answer(outer, own, schema)
      local settings, path = cluster(CONFIG:format(outer, own))
      local result, message = config.connector_options(settings, { name = "erlang", options = schema or erlang.options })
      return result, message and "config.lua" .. message:sub(#path + 1)
    end

    it("are validated together", function() assert.same({ cookie = "x", port = 9 }, (answer('cookie = "x"', ""))) end)

    it("are refused with the place of each, whichever cluster is asked", function()
      local function refused(...) return select(2, answer(...)) end
      assert.equal("config.lua: erlang: cookie: expected a string, found a number", refused("cookie = 8675309", ""))
      assert.equal('config.lua: erlang: unknown option "cooky": did you mean "cookie"?', refused('cooky = "x"', ""))
      assert.equal("config.lua: clusters.cache.connect: cookie: expected a string, found a boolean", refused("", "cookie = true"))
      assert.equal("config.lua: erlang: unknown option [1]: options have names", refused('"x"', ""))
    end)

    it("are required once", function()
      local required = { cookie = { type = "string", required = true }, port = { type = "integer" } }
      assert.same({ cookie = "x", port = 9 }, (answer('cookie = "x"', "", required)))
      assert.matches("connect: cookie: expected a string, found nothing: it is required", (select(2, answer("", "", required))))
      assert.is_true(required.cookie.required)
    end)
  end)

  it("without a schema are handed over as they are", function()
    assert.same({ a = 1 }, (config.connector_options((cluster('{ connect = { "mine", a = 1 } }')), {})))
  end)
end)

describe("an option of the type path", function()
  local with_file = { name = "x", options = { file = { type = "path" } } }

  it("begins at the config's folder", function()
    local settings = cluster('{ file = "secrets/one" }')
    assert.equal(settings.folder .. "/secrets/one", config.provider_options(settings, with_file, none).file)
  end)

  it("may be absolute", function()
    assert.equal("/run/one", config.provider_options((cluster('{ file = "/run/one" }')), with_file, none).file)
  end)
end)
