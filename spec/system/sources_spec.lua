-- SPDX-License-Identifier: MIT
-- The providers file, exec and http in a real process: what changes is seen within a second.
local Daemon = require("support.daemon")
local Folder = require("support.folder")
local Server = require("support.http_server")
local eventually = require("support.eventually")
local fs = require("engine.fs")
local json = require("engine.json")
local nginx = require("support.nginx")
local process = require("engine.process")
local run = require("support.run_cli")

local CONFIG = [[
local function names(nodes)
  local list = {}
  for i, node in ipairs(nodes) do list[i] = node.name .. (node.port and ":" .. node.port or "") end
  return table.concat(list, " ")
end
return {
  name = "me@127.0.0.1", connect = "none", sync_offset = 0, interval = 60, via = %s,
  on_change = function(nodes) print("nodes: " .. names(nodes) .. ".") end,
}
]]

local QUICK = 1 -- seconds

describe("a process", function()
  local folder, daemon

  before_each(function() folder = Folder.new() end)
  after_each(function()
    if daemon then daemon:stop() end
    daemon = nil
    folder:remove()
  end)

  local function start(via, options)
    folder:write("config.lua", CONFIG:format(via))
    daemon = Daemon.start({ folder.path .. "/config.lua" }, options)
  end

  -- All lists that there were, in order: of each change one.
  local function lists()
    local result = {}
    for _, line in ipairs(daemon.log) do result[#result + 1] = line:match("nodes: (.*)%.") end
    return result
  end

  local function targets(...)
    local list = {}
    for i, target in ipairs({ ... }) do list[i] = ("%q"):format(target) end
    folder:write("targets.json", ('[{ "targets": [%s], "labels": { "job": "x" } }]\n'):format(table.concat(list, ", ")))
  end

  it("follows a file as it is edited, and keeps the last good list while it is half-written", function()
    targets("10.0.0.1:1")
    start('{ "file", path = "targets.json", format = "prometheus", app_name = "app" }')
    daemon:expect("nodes: app@10.0.0.1:1.")
    targets("10.0.0.1:1", "10.0.0.2:2")
    daemon:expect("nodes: app@10.0.0.1:1 app@10.0.0.2:2.", QUICK)
    folder:sh("printf '[{\\n' > targets.json")
    daemon:expect("targets.json: line 2, column 1: expected a key in quotes, found the end", QUICK)
    folder:sh("rm targets.json")
    daemon:expect("targets.json: no such file or directory", QUICK)
    targets("10.0.0.2:2")
    daemon:expect("nodes: app@10.0.0.2:2.", QUICK)
    assert.are.same({ "app@10.0.0.1:1", "app@10.0.0.1:1 app@10.0.0.2:2", "app@10.0.0.2:2" }, lists())
  end)

  it("follows the files of a pattern", function()
    folder:sh("mkdir nodes; echo a@h > nodes/a; echo b@h > nodes/b")
    start('{ "file", path = "nodes/*" }')
    daemon:expect("nodes: a@h b@h.")
    folder:sh("echo c@h > nodes/c")
    daemon:expect("nodes: a@h b@h c@h.", QUICK)
    folder:sh("rm nodes/a")
    daemon:expect("nodes: b@h c@h.", QUICK)
    assert.are.same({ "a@h b@h", "a@h b@h c@h", "b@h c@h" }, lists())
  end)

  it("runs a program beside its config, and leaves none behind", function()
    folder:sh("printf '#!/bin/sh\\necho $$ > pid\\ncat nodes\\nsleep 0.1\\n' > homies.sh; chmod +x homies.sh; echo a@h > nodes")
    start('{ "exec", command = { "./homies.sh" } }, interval = 0.2', { cwd = "/" })
    daemon:expect("nodes: a@h.")
    folder:write("nodes", "b@h\n")
    daemon:expect("nodes: b@h.")
    folder:sh("> nodes")
    daemon:expect("command printed nothing")
    folder:write("nodes", "c@h\n")
    daemon:expect("nodes: c@h.")
    assert.are.same({ "a@h", "b@h", "c@h" }, lists())
    assert.are.equal(0, daemon:stop().code)
    daemon = nil
    local pid = fs.read(folder.path .. "/pid"):match("%d+")
    eventually(function() return not fs.stat("/proc/" .. pid) end)
  end)

  it("takes up each list of a program that stays up, and starts it again when it was killed", function()
    folder:write("watch.sh", [[
echo $$ > pid
echo run >> runs
echo "[\"run$(wc -l < runs)@h\"]"
exec tail -n 0 -F lists 2> /dev/null
]])
    folder:write("lists", "")
    start('{ "exec", command = { "sh", "watch.sh" }, stream = true }')
    daemon:expect("nodes: run1@h.")
    eventually(function()
      folder:sh([[echo '["a@h", "b@h:80"]' >> lists]])
      return daemon:has_said("nodes: a@h b@h:80.")
    end)
    folder:sh("kill -9 $(cat pid)")
    daemon:expect("warn  [provider exec] poll(): sh was ended by the signal KILL")
    daemon:expect("nodes: run2@h.")
    assert.are.same({ "run1@h", "a@h b@h:80", "run2@h" }, lists())
    assert.is_false(daemon:has_said("traceback") or daemon:has_said("error ["))
  end)

  it("with --once does not wait for a program of that kind that cannot be run", function()
    folder:write("once.lua", CONFIG:format('{ "exec", command = { "./none" }, stream = true }'))
    local result = run({ "--once", "--wait", "50", "once.lua" }, { cwd = folder.path, timeout = 40 })
    assert.are.same({ 69, "" }, { result.code, result.stdout })
    assert.are.equal("warn  [provider exec] poll(): cannot run ./none: no such file or directory\n", (result.stderr:gsub("^%S+ ", "")))
  end)

  it("has what a program that stays up says to its stderr as lines of the log's own", function()
    folder:write("watch.sh", [[printf '2026-01-01T00:00:00Z error [engine] forged\033[1m\n' >&2; echo '["a@h"]'; sleep 60]])
    start('{ "exec", command = { "sh", "watch.sh" }, stream = true }, log_format = "json"')
    local line = daemon:expect("forged")
    local entry = assert(json.decode(line))
    assert.are.equal("sh: 2026-01-01T00:00:00Z error [engine] forged\27[1m", entry.message)
  end)

  it("follows what an API lists, and keeps the last good list while that fails", function()
    local answer
    local server = Server.start(function() return answer end)
    local function say(...) answer = Server.answer(...) end
    say('{"items":[{"ip":"10.0.0.1"}]}')
    start(('{ "http", url = "%s/nodes.json", select = "items[].ip", app_name = "app" }, interval = 0.2'):format(server.url))
    daemon:expect("nodes: app@10.0.0.1.")
    say('{"items":[{"ip":"10.0.0.1"},{"ip":"10.0.0.2:80"}]}')
    daemon:expect("nodes: app@10.0.0.1 app@10.0.0.2:80.", QUICK)
    say("down for maintenance", nil, "503 Service Unavailable")
    daemon:expect("/nodes.json: status 503: down for maintenance", QUICK)
    say('{"items":[{"ip":"10.0.0.2:80"}]}')
    daemon:expect("nodes: app@10.0.0.2:80.", QUICK)
    say('{"items":[]}')
    daemon:expect("nodes: .", QUICK)
    assert.are.same({ "app@10.0.0.1", "app@10.0.0.1 app@10.0.0.2:80", "app@10.0.0.2:80", "" }, lists())
    server:stop()
  end)

  it("follows a file that nginx serves to those whom it knows, and asks for what has changed only", function()
    local tools = process.run({ "sh", "-c", "command -v nginx && command -v openssl" })
    if tools.code ~= 0 then return pending("needs nginx and openssl") end
    folder:sh("chmod 755 . && mkdir -m 755 www")
    folder:write("www/nodes.json", '{"items":[{"ip":"10.0.0.1"}]}')
    nginx.make_certificates(folder, { server = { san = "IP:127.0.0.1" }, client = { san = "DNS:client" } })
    local server = nginx.start(folder, ([[
      server {
        listen 127.0.0.1:PORT1 ssl http2; root FOLDER/www; ssl_certificate server.pem; ssl_certificate_key server.key;
        ssl_client_certificate ca.pem; ssl_verify_client on;
      }
    ]]):gsub("FOLDER", folder.path))
    start(([[{
      "http", url = "https://127.0.0.1:%d/nodes.json", select = "items[].ip", app_name = "app", ca_file = "ca.pem",
      client_cert = "client.pem", client_key = "client.key",
    }, interval = 0.1]]):format(server.ports[1]))
    daemon:expect("nodes: app@10.0.0.1.")
    local function has_answered(status)
      for _, request in ipairs(server:requests()) do
        if request[5] == status then return true end
      end
    end
    eventually(function() return has_answered("304") end)
    folder:write("www/nodes.json", '{"items":[{"ip":"10.0.0.1"},{"ip":"10.0.0.2"}]}')
    daemon:expect("nodes: app@10.0.0.1 app@10.0.0.2.", QUICK)
    server:stop()
    daemon:expect("connection refused", QUICK)
  end)

  it("with --once waits for none of them longer than it takes", function()
    folder:write("nodes", "a@h\n")
    for _, via in ipairs({
      '{ "file", path = "nodes" }', '{ "exec", command = { "cat", "nodes" } }',
      [[{ "exec", command = { "sh", "-c", "sleep 0.1; echo '[\"a@h\"]'; sleep 60" }, stream = true }]],
    }) do
      folder:write("once.lua", CONFIG:format(via))
      local result = run({ "--once", "--wait", "50", "once.lua" }, { cwd = folder.path, timeout = 40 })
      assert.are.same({ 0, "a@h\n", "" }, { result.code, result.stdout, result.stderr })
    end
  end)

  it("is not started where bare hosts could never be nodes", function()
    folder:write("config.lua", CONFIG:format('{ "http", url = "http://127.0.0.1:1/", format = "prometheus" }'))
    local result = run({ "--check", "config.lua" }, { cwd = folder.path })
    assert.are.equal(78, result.code)
    assert.is_truthy(result.stderr:find('config.lua: via: format = "prometheus" lists hosts: app_name is required', 1, true),
      result.stderr)
  end)
end)
