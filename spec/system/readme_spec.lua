-- SPDX-License-Identifier: MIT
-- The pages of the tree: each of their Lua blocks is run as a reader would run it, so they cannot rot.
local Folder = require("support.folder")
local Server = require("support.http_server")
local fs = require("engine.fs")
local root = require("engine").root
local run = require("support.run_cli")

local PAGES = { "README.md", "providers/README.md", "engine/README.md", "lua/peerage/erlang/README.md" }
local ENVIRONMENT = {
  CLUSTER_SECRET = "sixteen bytes or more", POD_IP = "10.0.0.7", COOKIE = "x", RELEASE_COOKIE = "x", RELEASE_NODE = "myapp@10.0.0.7",
  CREDENTIALS_DIRECTORY = ".",
}

local function read(path)
  local file = assert(io.open(root .. "/" .. path))
  local text = file:read("*a")
  file:close()
  return text
end

local function kind_of(text)
  if text:find("describe(", 1, true) then return "spec" end
  if text:find("\nfunction M.poll", 1, true) then return "provider" end
  if text:find("\nfunction M.connect", 1, true) then return "connector" end
  return text:find("\nreturn %a*%s?[{c]") and "config" or "script"
end

-- A block begins with a comment that has its file's name, if another one needs it.
local function blocks_of(page)
  local blocks, lines, number = {}, nil, 0
  for line in read(page):gmatch("(.-)\n") do
    number = number + 1
    if lines and line == "```" then
      local text = "\n" .. table.concat(lines, "\n") .. "\n"
      local name = text:match("^\n%-%- ([%w_/]+%.lua)") or ("line%d.lua"):format(lines.number)
      blocks[#blocks + 1] = { kind = kind_of(text), name = name:match("[^/]*$"), text = text, line = lines.number }
      lines = nil
    elseif lines then
      lines[#lines + 1] = line
    elseif line == "```lua" then
      lines = { number = number }
    end
  end
  return blocks
end

local checks = {}

function checks.config(name, folder)
  local result = run({ "--check", name }, { cwd = folder, env = ENVIRONMENT })
  assert.are.same({ 0, "ok\n", "" }, { result.code, result.stdout, result.stderr })
end

function checks.provider(name, folder)
  local result = run({ "providers", "./" .. name }, { cwd = folder })
  assert.are.same({ 0, "" }, { result.code, result.stderr })
end

function checks.connector(name, folder)
  assert(fs.write(folder .. "/with_connector.lua", ('return { connect = "./%s" }'):format(name)))
  checks.config("with_connector.lua", folder)
end

function checks.script(name, folder)
  local result = run({ "run", name }, { cwd = folder })
  assert.are.same({ 0, "" }, { result.code, result.stderr })
end

function checks.spec(name, folder)
  local result = run({ "run", root .. "/spec/run.lua", name }, { cwd = folder, env = { LUA_PATH = folder .. "/?.lua;;" } })
  assert.is_truthy(result.stdout:find("\n[1-9]%d* passed, 0 failed\n$"), result.stdout .. result.stderr)
end

for _, page in ipairs(PAGES) do
  describe(page, function()
    local folder

    setup(function()
      folder = Folder.new()
      for _, block in ipairs(blocks_of(page)) do folder:write(block.name, block.text) end
      folder:sh("umask 077 && echo secret > cookie")
    end)
    teardown(function() folder:remove() end)

    for _, block in ipairs(blocks_of(page)) do
      it(("has at line %d a %s that works"):format(block.line, block.kind), function()
        checks[block.kind](block.name, folder.path)
      end)
    end

    it("links to what is there", function()
      local base = root .. "/" .. (page:match("^(.*/)") or "")
      for target in read(page):gmatch("%]%(([^)#]+)") do
        if not target:find("^https:") then assert(fs.stat(base .. target)) end
      end
    end)
  end)
end

describe("the examples of the pages", function()
  local folder

  before_each(function() folder = Folder.new() end)
  after_each(function() folder:remove() end)

  local function write_blocks(page)
    for _, block in ipairs(blocks_of(page)) do folder:write(block.name, block.text) end
  end

  -- Writes the blocks of a page, asks the provider of a config once, and gives what was printed.
  local function once(page, config)
    write_blocks(page)
    folder:write("once.lua", config)
    return run({ "--once", "--wait", "0.1", "once.lua" }, { cwd = folder.path }).stdout
  end

  it("find what they say", function()
    assert.are.equal("node@somewhere\n", once("README.md", 'return dofile("config.lua")'))
    folder:write("nodes.txt", "a@10.0.0.1\nb@10.0.0.2\n")
    assert.are.equal("a@10.0.0.1\nb@10.0.0.2\n", once("providers/README.md", 'return { via = "names" }'))
    assert.are.equal("me@here\n", once("providers/README.md", 'return { via = "typed", name = "me@here", connect = "none" }'))
  end)

  it("find what an API lists, and what a watch says", function()
    local server = Server.start(function(request, stream)
      if request.path == "/nodes.json" then return Server.answer('["a@h", "b@h"]') end
      stream:write('HTTP/1.1 200 OK\r\n\r\n["c@h"]\n')
      stream:read()
    end)
    write_blocks("providers/README.md")
    folder:write("here.lua", (fs.read(folder.path .. "/api.lua"):gsub("http://127.0.0.1:8080", server.url)))
    folder:write("config_of_api.lua", 'return { via = "here" }')
    folder:write("config_of_watch.lua", ('return { via = { "watched", url = "%s/watch" } }'):format(server.url))
    for config, expected in pairs({ ["config_of_api.lua"] = "a@h\nb@h\n", ["config_of_watch.lua"] = "c@h\n" }) do
      local result = run({ "--once", "--wait", "30", config }, { cwd = folder.path, timeout = 25 })
      assert.are.same({ expected, "" }, { result.stdout, result.stderr })
    end
    server:stop()
  end)

  it("say of a watch what is wrong with it, as no error of their own", function()
    local answers = { ["/status"] = "HTTP/1.1 503 Busy\r\n\r\n", ["/line"] = "HTTP/1.1 200 OK\r\n\r\n[\n" }
    local server = Server.start(function(request, stream)
      stream:write(answers[request.path])
      stream:read()
    end)
    local away = Server.start(function() end)
    away:stop()
    write_blocks("providers/README.md")
    for url, expected in pairs({
      [away.url] = "connection refused", [server.url .. "/status"] = "status 503", [server.url .. "/line"] = "a bad line: line 1",
    }) do
      folder:write("watch.lua", ('return { via = { "watched", url = "%s" } }'):format(url))
      local result = run({ "--once", "--wait", "30", "watch.lua" }, { cwd = folder.path, timeout = 25 })
      assert.are.same({ 69, "" }, { result.code, result.stdout })
      assert.is_truthy(result.stderr:find(expected, 1, true), result.stderr)
      assert.is_nil(result.stderr:find("traceback", 1, true), result.stderr)
      assert.is_nil(result.stderr:find("serve() failed", 1, true), result.stderr)
    end
    server:stop()
  end)
end)

describe("scripts/examples", function()
  for _, name in ipairs(assert(fs.list(root .. "/scripts/examples"))) do
    local path = root .. "/scripts/examples/" .. name
    local kind = kind_of(read("scripts/examples/" .. name))
    it(("has %s, a %s that works"):format(name, kind), function()
      local arguments = kind == "provider" and { "providers", path } or { "--check", path }
      local result = run(arguments, { env = ENVIRONMENT })
      assert.are.same({ 0, "" }, { result.code, result.stderr })
    end)
  end
end)

describe("README.md", function()
  local text = read("README.md")

  local function assert_named(names)
    for name in next, names do assert.is_truthy(text:find("`" .. name .. "[`( ]"), name .. " is not in README.md") end
  end

  it("names each option of each built-in provider and connector, and each key of a cluster", function()
    for _, path in ipairs({ "providers/dns", "providers/exec", "providers/file", "providers/http",
      "providers/list", "providers/udp", "lua/peerage/connectors/tcp",
      "lua/peerage/connectors/erlang", "lua/peerage/connectors/sidecar" }) do
      local options = dofile(root .. "/" .. path .. ".lua").options
      assert.is_truthy(next(options))
      assert_named(options)
    end
    assert_named(require("peerage.config.cluster").keys)
  end)

  it("names each option of the command line", function()
    local count = 0
    for option in run({ "--help" }).stdout:gmatch("%-%-[%w-]+") do
      count = count + 1
      assert.is_truthy(text:find(option, 1, true), option .. " is not in README.md")
    end
    assert.is_true(count > 8)
  end)
end)
