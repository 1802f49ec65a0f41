-- SPDX-License-Identifier: MIT
local Folder = require("support.folder")
local run = require("support.run_cli")

describe("the command line", function()
  local folder

  before_each(function() folder = Folder.new() end)
  after_each(function() folder:remove() end)

  local function check(text, options)
    folder:write("config.lua", text)
    return run({ "--check", "config.lua" }, { cwd = folder.path, env = options and options.env })
  end

  local function once(text, ...)
    folder:write("config.lua", text)
    return run({ "--once", "config.lua", ... }, { cwd = folder.path })
  end

  it("prints its version and its help", function()
    assert.are.equal("peerage-lua " .. require("engine").version .. "\n", run({ "--version" }).stdout)
    local help = run({ "-h" })
    assert.are.equal(0, help.code)
    for _, word in ipairs({ "--once", "--wait", "--json", "--check", "--name", "run SCRIPT", "providers", "SIGUSR1", "78" }) do
      assert.is_truthy(help.stdout:find(word, 1, true), word)
    end
  end)

  for what, arguments in pairs({
    ["no config"] = {},
    ["an unknown option"] = { "--onec", "config.lua" },
    ["a second config"] = { "a.lua", "b.lua" },
    ["a wait that is no number"] = { "--once", "--wait", "x", "config.lua" },
    ["run without a script"] = { "run" },
    ["an unknown provider"] = { "providers", "homeis" },
  }) do
    it("exits with 64 for " .. what, function()
      local result = run(arguments, { cwd = folder.path })
      assert.are.equal(64, result.code)
      assert.is_truthy(result.stderr:find("^peerage%-lua: "))
    end)
  end

  it("says ok for a good config and starts nothing", function()
    local result = check('return { via = "list", node_list = { "a@b" } }')
    assert.are.same({ 0, "ok\n", "" }, { result.code, result.stdout, result.stderr })
  end)

  for what, case in pairs({
    ["a syntax error"] = { "return {", "config.lua:1:" },
    ["one that raises"] = { "error('boom')", "config.lua:1: boom" },
    ["a number"] = { "return 42", "expected a table, found a number (42)" },
    ["an unknown key"] = { 'return { via = "list", node_list = {}, intervall = 3 }', 'did you mean "interval"?' },
    ["a wrong type"] = { 'return { via = "self", interval = "3" }', 'interval: expected a number from 0.1' },
    ["an unknown provider"] = { 'return { via = "homeis" }', "homeis.lua" },
    ["a misspelt built-in"] = { 'return { via = "lsit" }', 'did you mean "list"?' },
    ["a bad name in node_list"] = { 'return { via = "list", node_list = { "a@b", "nobody" } }', 'node_list[2]' },
    ["a missing node_list"] = { 'return { via = "list" }', "node_list" },
    ["an option of the connector"] = {
      'return { via = "self", connect = "tcp", keep = false }', 'keep belongs to connect: write connect = { "tcp", keep = … }',
    },
    ["a variable that is not set"] = {
      'return { via = "udp", secret = env("NOT_SET_ANYWHERE") }', "secret: environment variable NOT_SET_ANYWHERE is not set",
    },
    ["serves without serve"] = { 'return { via = "self", serves = true }', "serve()" },
    ["a log_level that there is none"] = { 'return { log_level = "verbose" }', 'log_level: expected "debug", "info", "warn" or "error"' },
    ["a connector that the config does not suit"] = {
      'return { connect = { connect = print, check = function() return nil, "wants a name" end } }', "connect: wants a name",
    },
    ["two values for one Erlang node"] = {
      'return { erlang = { cookie = "hunter2" }, connect = { "erlang", cookie = "hunter3" } }',
      "connect: cookie: another value stands in erlang",
    },
    ["erlang and sidecar in one process"] = {
      'return { clusters = { a = { connect = "erlang" }, b = { connect = "sidecar" } } }',
      'clusters.a.connect is "erlang" and clusters.b.connect',
    },
    ["an Erlang node without a name"] = { 'return { connect = "erlang" }', "connect: an Erlang node needs a name of its own" },
    ["an Erlang node that listens on an interface"] = {
      'return { name = "a@b", erlang = { listen = "eth0" } }', "erlang: listen: expected an address like 0.0.0.0 or ::1",
    },
    ["a cookie_file that is not there"] = {
      'return { name = "a@b", connect = { "erlang", cookie_file = "cookie" } }', "connect: cannot read cookie: no such file or directory",
    },
    ["a bad name"] = { 'return { name = "me" }', "name" },
    ["a cluster's wrong key"] = { 'return { clusters = { web = { via = "self", timeuot = 1 } } }', "clusters.web" },
  }) do
    it("exits with 78 for " .. what, function()
      local result = check(case[1])
      assert.are.equal(78, result.code)
      assert.are.equal("", result.stdout)
      assert.is_truthy(result.stderr:find(case[2], 1, true), result.stderr)
      assert.is_truthy(result.stderr:find("config.lua", 1, true), result.stderr)
    end)
  end

  it("takes a sidecar's cookie_file that is not there yet, and looks at no cookie that is not named", function()
    for _, text in ipairs({ 'connect = { "sidecar", cookie_file = "cookie" }', "" }) do
      folder:write("config.lua", 'return { name = "a@b.c", ' .. text .. " }")
      local result = run({ "--check", "config.lua" }, { cwd = folder.path, env = { HOME = folder.path .. "/nowhere" } })
      assert.are.same({ 0, "ok\n", "" }, { result.code, result.stdout, result.stderr })
    end
  end)

  it("exits with 1, and says why, when a connector cannot make what its clusters share", function()
    folder:write("links.lua", [[return { connect = function() return true end, share = function(_, name)
      require("engine.task").sleep(0.01)
      return nil, name .. " is already registered here"
    end }]])
    folder:write("config.lua", 'return { via = "self", name = "me@here", connect = "links" }')
    local result = run({ "config.lua" }, { cwd = folder.path, timeout = 30 })
    assert.are.same({ 1, "" }, { result.code, result.stdout })
    assert.is_truthy(result.stderr:find("not started: connector links: me@here is already registered here\n", 1, true), result.stderr)
  end)

  it("makes nothing of what clusters share with --check and with --once, but asks whether it would do", function()
    folder:write("links.lua", ([[return { connect = function() return true end,
      check = function(_, context) return true, "a warning for " .. context.name end,
      share = function() assert(io.open("%s/made", "w")):close() return { close = function() end } end }]]):format(folder.path))
    local text = 'return { via = "self", name = "me@here", connect = "links" }'
    for _, result in ipairs({ check(text), once(text) }) do
      assert.are.equal(0, result.code)
      assert.is_truthy(result.stderr:find("config.lua: connect: a warning for me@here\n", 1, true), result.stderr)
    end
    assert.is_nil((require("engine.fs").stat(folder.path .. "/made")))
    local daemon = require("support.daemon").start({ folder.path .. "/config.lua" })
    daemon:expect("a warning for me@here")
    daemon:expect("LIVE NODES")
    assert.are.same({ code = 0 }, daemon:stop())
    assert.is_truthy((require("engine.fs").stat(folder.path .. "/made")))
  end)

  it("exits with 78 for a missing config and for a folder", function()
    for _, path in ipairs({ "missing.lua", "." }) do
      local result = run({ path }, { cwd = folder.path })
      assert.are.equal(78, result.code)
      assert.is_truthy(result.stderr:find(path, 1, true))
    end
  end)

  it("lists with --once what is found, one name a line", function()
    local result = once('return { via = "list", node_list = { "b@h", { name = "a@h", port = 9 }, "b@h" } }')
    assert.are.same({ 0, "a@h\nb@h\n" }, { result.code, result.stdout })
  end)

  it("gives --once --json one object a line", function()
    local result = once('return { via = "list", node_list = { { name = "a@h", port = 9, meta = { zone = "x" } } } }', "--json")
    assert.are.same({ name = "a@h", host = "h", port = 9, meta = { zone = "x" }, source = "list" },
      require("cjson").decode(result.stdout))
  end)

  it("with --once --json writes a meta whose keys are numbers, too", function()
    local result = once('return { via = "list", node_list = { { name = "a@h", meta = { "x", zone = "b" } } } }', "--json")
    assert.are.equal("", result.stderr)
    assert.is_truthy(result.stdout:find('"meta":{"1":"x","zone":"b"}', 1, true), result.stdout)
  end)

  it("exits with 1 when there are certainly none, with 69 when it could not find out", function()
    assert.are.equal(1, once("return { via = function() return {} end }").code)
    local result = once('return { via = function() return nil, "the source is away" end }')
    assert.are.equal(69, result.code)
    assert.is_truthy(result.stderr:find("the source is away", 1, true))
    assert.are.equal(69, once('return { via = function() error("boom") end }').code)
    assert.are.equal(69, once('return { timeout = 0.1, via = function() require("engine.task").sleep(9) end }').code)
  end)

  it("with --once names what is wrong with an answer once, and lists what is good", function()
    local result = once('return { via = function() end }')
    assert.is_truthy(result.stderr:find("] poll() returned nil without a reason\n", 1, true), result.stderr)
    result = once('return { via = function() local list = { "a@h" } for i = 1, 12 do list[i + 1] = "bad" .. i end return list end }')
    assert.are.same({ 0, "a@h\n" }, { result.code, result.stdout })
    assert.is_truthy(result.stderr:find("and 2 more bad entries", 1, true), result.stderr)
  end)

  it("with --once lists a part and exits with 69", function()
    local result = once('return { via = function() return { "a@h" }, "one server is away" end }')
    assert.are.same({ 69, "a@h\n" }, { result.code, result.stdout })
    assert.is_truthy(result.stderr:find("the list is a part: one server is away", 1, true), result.stderr)
  end)

  it("with --once --json leaves out a meta that JSON has no form for", function()
    local result = once('return { via = function() return { { name = "a@h", meta = { [true] = 1 } }, "b@h" } end }', "--json")
    assert.are.equal(0, result.code)
    assert.is_truthy(result.stdout:find('"a@h".*\n.*"b@h"'), result.stdout)
    assert.is_truthy(result.stderr:find("a@h: its meta cannot be written as JSON", 1, true), result.stderr)
  end)

  it("with --once fails when the list cannot be written", function()
    folder:write("config.lua", 'return { via = "list", node_list = { "a@h" } }')
    local result = require("engine.process").run({ "sh", "-c", '"$0" --once config.lua > /dev/full', require("support.daemon").binary(),
      cwd = folder.path })
    assert.are.equal(1, result.code)
    assert.is_truthy(result.stderr:find("stdout cannot be written: ", 1, true), result.stderr)
  end)

  it("gives serve() its time with --once, announcing nothing, and asks a provider without one at once", function()
    local result = once([[return { via = { serve = function(self) self.heard = self.passive require("engine.task").sleep(60) end,
      poll = function(self) return { tostring(self.heard) .. "@h" } end } }]], "--wait", "0.05")
    assert.are.same({ 0, "true@h\n" }, { result.code, result.stdout })
    local started = require("engine.timer").now()
    once('return { via = "self" }', "--wait", "60")
    assert.is_true(require("engine.timer").now() - started < 30)
  end)

  it("warns with --once and --check of an option that was probably meant as a key", function()
    local text = 'return { via = function() return { "a@h" } end, intervall = 3 }'
    for _, result in ipairs({ once(text), check(text) }) do
      assert.are.equal(0, result.code)
      assert.is_truthy(result.stderr:find('did you mean "interval"?', 1, true), result.stderr)
    end
  end)

  it("lets a provider's print and stray output stay out of the answer", function()
    local result = once('return { via = function() print("noise") return { "a@h" } end }')
    assert.are.equal("a@h\n", result.stdout)
  end)

  it("takes --name, then PEERAGE_NAME, then the config's name", function()
    folder:write("config.lua", 'return { via = "self", name = "of@config", connect = "none" }')
    local environment = { PEERAGE_NAME = "of@environment", PATH = os.getenv("PATH") }
    local function name(env, ...) return run({ "--once", "config.lua", ... }, { cwd = folder.path, env = env }).stdout end
    assert.are.equal("of@argument\n", name(environment, "--name", "of@argument"))
    assert.are.equal("of@environment\n", name(environment))
    assert.are.equal("of@config\n", name(nil))
  end)

  it("runs a script as a task, with its arguments and exit status", function()
    folder:write("script.lua", 'require("engine.task").sleep(0.01) print(arg[1], ...) return 7')
    local result = run({ "run", "script.lua", "--once" }, { cwd = folder.path })
    assert.are.same({ 7, "--once\t--once\n" }, { result.code, result.stdout })
  end)

  it("lists the built-in providers with their options", function()
    local result = run({ "providers" })
    for _, word in ipairs({ "dns", "dns_name", "list", "node_list", "self", "udp", "max_skew" }) do
      assert.is_truthy(result.stdout:find(word, 1, true), word)
    end
    assert.are.equal(0, run({ "providers", "dns" }).code)
  end)
end)
