-- SPDX-License-Identifier: MIT
-- Whom engine.http trusts, where the system trusts more: a mount namespace has certificates of its own.
local Daemon = require("support.daemon")
local folder = require("support.folder")
local http = require("engine.http")
local nginx = require("support.nginx")
local process = require("engine.process")

local CONFIG = [[
  server { listen 127.0.0.1:PORT1 ssl; keepalive_timeout 0; return 200 "hello"; ssl_certificate good.pem; ssl_certificate_key good.key; }
]]

local function has(command) return assert(process.run({ "sh", "-c", "command -v " .. command })).code == 0 end

describe("certificates to trust", function()
  local files, server, url
  local is_there = has("nginx") and has("openssl")

  before_each(function()
    if not is_there then return end
    files = folder.new()
    files:sh("chmod 755 . && mkdir system private")
    nginx.make_certificates(files, { good = { san = "IP:127.0.0.1" }, client = { san = "DNS:client" } })
    nginx.make_certificates({ sh = function(_, command) return files:sh("cd private && " .. command) end }, {})
    files:sh("cp ca.pem system/ && cp ca.pem system/ca-certificates.crt && openssl rehash system")
    server = nginx.start(files, CONFIG)
    url = ("https://127.0.0.1:%d/"):format(server.ports[1])
  end)

  after_each(function()
    if not is_there then return end
    server:stop()
    files:remove()
  end)

  local function ready()
    if not is_there then pending("needs nginx and openssl") end
    return is_there
  end

  -- What a process prints that asks where the system trusts the server's CA.
  local function ask(options)
    local script = files:write("ask.lua", ([[
      local http, read = require("engine.http"), require("engine.fs").read
      local answer, message = http.request({ url = %q, %s })
      print(answer and answer.body or message)
    ]]):format(url, options))
    local ended = assert(process.run({
      "unshare", "-rm", "sh", "-c", 'mount --bind "$1" /etc/ssl/certs && shift && exec "$@"', "sh", files.path .. "/system",
      Daemon.binary(), "run", script, timeout = 20,
    }))
    if ended.stderr:find("^unshare:") then pending("mount namespaces are not allowed here") end
    return ended.stdout
  end

  it("are the system's, and none of them where others are given", function()
    if not ready() then return end
    assert.equal("hello\n", ask(""))
    local refused = ("GET %s: certificate: unable to get local issuer certificate\n"):format(url)
    local other, ours = files.path .. "/private/ca.pem", files.path .. "/ca.pem"
    assert.equal(refused, ask(("ca_file = %q"):format(other)))
    assert.equal(refused, ask(("ca = read(%q)"):format(other)))
    assert.equal("hello\n", ask(("ca_file = %q"):format(ours)))
    assert.equal("hello\n", ask(("ca = read(%q)"):format(ours)))
  end)

  it("are said to be ours where the server wants or refuses one", function()
    if not ready() then return end
    for _, version in ipairs({ "-tls1_2", "-tls1_3" }) do
      local child = assert(process.start({
        "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", "good.pem", "-key", "good.key", "-CAfile", "private/ca.pem", "-Verify",
        "1", "-verify_return_error", "-www", version, cwd = files.path, stderr = true,
      }))
      local port
      for line in child:lines() do
        port = line:match("^ACCEPT 127%.0%.0%.1:(%d+)")
        if port then break end
      end
      local asked = { url = ("https://127.0.0.1:%s/"):format(port), ca_file = files.path .. "/ca.pem", timeout = 5 }
      local _, message, code = http.request(asked)
      if version == "-tls1_3" then
        assert.equal("ECERT", code)
        assert.equal("GET " .. asked.url .. ": certificate: the server wants one of ours (certificate required)", message)
      else
        assert.is_truthy(message:find("handshake failure", 1, true), message)
      end
      asked.client_cert, asked.client_key = files.path .. "/client.pem", files.path .. "/client.key"
      assert.same({ nil, "GET " .. asked.url .. ": certificate: the server refused ours (unknown ca)", "ECERT" }, { http.request(asked) })
      child:close()
    end
  end)

  it("are read once in a while, and not for each connection", function()
    if not ready() then return end
    local file = files:write("some.pem", files:sh("cat ca.pem"))
    assert.equal("hello", assert(http.request({ url = url, ca_file = file })).body)
    files:write("some.pem", "nothing")
    assert.equal("hello", assert(http.request({ url = url, ca_file = file })).body)
  end)
end)
