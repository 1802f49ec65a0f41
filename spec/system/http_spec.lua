-- SPDX-License-Identifier: MIT
-- engine.http against nginx: TLS, HTTP/2, gzip, kept connections, a Unix socket, large and many answers.
local Daemon = require("support.daemon")
local folder = require("support.folder")
local fs = require("engine.fs")
local http = require("engine.http")
local log = require("engine.log")
local nginx = require("support.nginx")
local process = require("engine.process")
local task = require("engine.task")
local tcp = require("engine.tcp")
local timer = require("engine.timer")

local CONFIG = [[
  gzip on; gzip_types text/plain; gzip_min_length 0;
  default_type text/plain;
  server {
    listen 127.0.0.1:PORT1; listen unix:FOLDER/socket; root FOLDER/www;
    location /to-tls { return 302 https://127.0.0.1:PORT2/hello; }
    location /slow { limit_rate 20k; }
    location /closed { auth_basic closed; auth_basic_user_file FOLDER/users; }
  }
  server {
    listen 127.0.0.1:PORT2 ssl http2; root FOLDER/www;
    ssl_certificate good.pem; ssl_certificate_key good.key;
    location /to-plain { return 302 http://127.0.0.1:PORT1/hello; }
  }
  server { listen 127.0.0.1:PORT3 ssl; root FOLDER/www; ssl_certificate expired.pem; ssl_certificate_key expired.key; }
  server { listen 127.0.0.1:PORT4 ssl; root FOLDER/www; ssl_certificate other.pem; ssl_certificate_key other.key; }
  server {
    listen 127.0.0.1:PORT5 ssl; root FOLDER/www; ssl_certificate good.pem; ssl_certificate_key good.key;
    ssl_client_certificate ca.pem; ssl_verify_client on;
  }
  server { listen 127.0.0.1:PORT6 ssl; root FOLDER/www; ssl_certificate ca.pem; ssl_certificate_key ca.key; }
]]

local function has(command) return assert(process.run({ "sh", "-c", "command -v " .. command })).code == 0 end

describe("engine.http and nginx", function()
  local certificates, files, server, ca
  local is_there = has("nginx") and has("openssl") and has("faketime")

  -- The server, unless there is none: then the spec says so.
  local function ready()
    if not is_there then pending("needs nginx, openssl and faketime") end
    return is_there
  end

  setup(function()
    if not is_there then return end
    certificates = folder.new()
    nginx.make_certificates(certificates, {
      good = { san = "DNS:localhost,IP:127.0.0.1" },
      expired = { san = "IP:127.0.0.1", expired = true },
      other = { san = "DNS:other.test" },
    })
  end)

  teardown(function()
    if is_there then certificates:remove() end
  end)

  before_each(function()
    if not is_there then return end
    files = folder.new()
    files:sh("chmod 755 . && mkdir -m 755 www && cp " .. certificates.path .. "/* .")
    files:write("www/hello", "hello\n")
    ca = files.path .. "/ca.pem"
    server = nginx.start(files, (CONFIG:gsub("FOLDER", files.path)))
  end)

  after_each(function()
    if not is_there then return end
    server:stop()
    files:remove()
  end)

  local function url(index, path, host)
    return ("http%s://%s:%d/%s"):format(index > 1 and "s" or "", host or "127.0.0.1", server.ports[index], path or "hello")
  end

  local function refused(options, reason, code)
    local answer, message, found_code = http.request(options)
    assert.is_nil(answer)
    assert.equal(("GET %s: %s"):format(options.url, reason), message)
    assert.equal(code, found_code)
  end

  it("speak HTTP/2 over TLS, and HTTP/1.1 without", function()
    if not ready() then return end
    assert.equal("hello\n", assert(http.request({ url = url(2), ca_file = ca })).body)
    assert.equal("hello\n", assert(http.request({ url = url(2), ca = assert(fs.read(ca)) })).body)
    assert.equal("hello\n", assert(http.request({ url = url(2, "hello", "localhost"), ca_file = ca })).body)
    assert.equal("hello\n", assert(http.request({ url = url(1) })).body)
    local protocols = {}
    for i, request in ipairs(server:requests()) do protocols[i] = request[2] end
    assert.same({ "HTTP/2.0", "HTTP/2.0", "HTTP/2.0", "HTTP/1.1" }, protocols)
  end)

  it("trust no certificate that they need not", function()
    if not ready() then return end
    refused({ url = url(2) }, "certificate: unable to get local issuer certificate", "ECERT")
    refused({ url = url(6) }, "certificate: self-signed certificate", "ECERT")
    refused({ url = url(3), ca_file = ca }, "certificate: certificate has expired", "ECERT")
    local wrong_name = "certificate: no alternative certificate subject name matches target host name '127.0.0.1'"
    refused({ url = url(4), ca_file = ca }, wrong_name, "ECERT")
    local path = files.path .. "/none"
    refused({ url = url(2), ca_file = path }, "certificate: cannot read " .. path .. ": no such file or directory", "ECERT")
    path = files.path .. "/good.key"
    refused({ url = url(2), ca_file = path }, "certificate: " .. path .. " holds no certificate, expected PEM", "ECERT")
    refused({ url = url(2), ca = "nonsense" }, "certificate: ca holds no certificate, expected PEM", "ECERT")
  end)

  it("do not take a connection for another request that trusts less", function()
    if not ready() then return end
    finally(log.capture)
    log.capture(function() end)
    assert.equal(200, assert(http.request({ url = url(2), ca_file = ca })).status)
    assert.equal(200, assert(http.request({ url = url(2), verify = false })).status)
    refused({ url = url(2) }, "certificate: unable to get local issuer certificate", "ECERT")
  end)

  it("are not checked where that is not wanted, which is said once for each server", function()
    if not ready() then return end
    local said = {}
    finally(log.capture)
    log.capture(function(level, _, message) said[#said + 1] = level .. " " .. message end)
    for _ = 1, 2 do
      assert.equal("hello\n", assert(http.request({ url = url(3), verify = false })).body)
      assert.equal("hello\n", assert(http.request({ url = url(4), verify = false })).body)
    end
    local text = "warn https://127.0.0.1:%d: its certificate is not checked, since verify is false: anyone may answer in its place"
    assert.same({ text:format(server.ports[3]), text:format(server.ports[4]) }, said)
  end)

  it("know each other by the client's certificate", function()
    if not ready() then return end
    local function ask(options)
      options.url, options.ca_file = url(5), ca
      return http.request(options)
    end
    files:sh("openssl pkey -in good.key -aes128 -passout pass:secret -out locked.key")
    local function at(name) return files.path .. "/" .. name end
    for reason, options in pairs({
      ["cannot read " .. at("none.pem") .. ": no such file or directory"] = { client_cert = at("none.pem") },
      ["cannot read " .. at("none.key") .. ": no such file or directory"] =
        { client_cert = at("good.pem"), client_key = at("none.key") },
      [at("good.key") .. " holds no certificate, expected PEM"] = { client_cert = at("good.key") },
      [at("good.pem") .. " holds no key, expected PEM"] = { client_cert = at("good.pem") },
      ["the key in " .. at("locked.key") .. " has a pass phrase, expected one without"] =
        { client_cert = at("good.pem"), client_key = at("locked.key") },
      ["the key in " .. at("other.key") .. " does not match the certificate in " .. at("good.pem") .. ", or cannot be read"] =
        { client_cert = at("good.pem"), client_key = at("other.key") },
    }) do
      options.url, options.ca_file = url(5), ca
      refused(options, "certificate: " .. reason, "ECERT")
    end
    local both = files:write("both.pem", files:sh("cat good.pem good.key"))
    assert.equal(400, assert(ask({})).status)
    assert.equal(200, assert(ask({ client_cert = files.path .. "/good.pem", client_key = files.path .. "/good.key" })).status)
    assert.equal(200, assert(ask({ client_cert = both })).status)
    assert.equal(400, assert(ask({})).status)
  end)

  it("keep the user info where nginx names the origin anew", function()
    if not ready() then return end
    files:sh("mkdir -m 755 www/closed && cp www/hello www/closed/index.html && openssl passwd -6 pass | sed s/^/joe:/ >users")
    files:sh("chmod 644 users")
    local with_user = url(1, "closed"):gsub("//", "//joe:pass@")
    assert.equal(401, assert(http.request({ url = url(1, "closed/") })).status)
    assert.equal("hello\n", assert(http.request({ url = with_user })).body)
    assert.equal(301, assert(http.request({ url = with_user, follow = false })).status)
  end)

  it("go from plain to TLS where they are sent, and not back", function()
    if not ready() then return end
    assert.equal("hello\n", assert(http.request({ url = url(1, "to-tls"), ca_file = ca })).body)
    refused({ url = url(2, "to-plain"), ca_file = ca }, "redirected to " .. url(1) .. ", expected https", "EPROTO")
  end)

  it("pack what is packed well", function()
    if not ready() then return end
    files:sh("seq 100000 >www/large")
    local answer = assert(http.request({ url = url(1, "large") }))
    assert.equal("gzip", answer.headers["content-encoding"])
    assert.equal(assert(fs.read(files.path .. "/www/large")), answer.body)
    local stream, body = assert(http.stream({ url = url(2, "large"), ca_file = ca })), {}
    for chunk in stream:chunks() do body[#body + 1] = chunk end
    assert.is_nil(stream.headers["content-encoding"])
    assert.equal(answer.body, table.concat(body))
  end)

  it("keep a connection, of either protocol and over a Unix socket", function()
    if not ready() then return end
    for _ = 1, 3 do
      assert(http.request({ url = url(1) }))
      assert(http.request({ url = url(2), ca_file = ca }))
      assert(http.request({ url = "http://nginx/hello", unix_socket = files.path .. "/socket" }))
    end
    local connections, count = {}, 0
    for _, request in ipairs(server:requests()) do
      count = count + (connections[request[1]] and 0 or 1)
      connections[request[1]] = true
    end
    assert.equal(3, count)
  end)

  it("have a connection for each of those that go on at a time, over HTTP/2 too", function()
    if not ready() then return end
    files:sh("seq 4000000 >www/large")
    local stream = assert(http.stream({ url = url(2, "large"), ca_file = ca }))
    for _ = 1, 2 do assert(http.request({ url = url(2), ca_file = ca })) end
    stream:close()
    assert(http.request({ url = url(2), ca_file = ca }))
    local of = {}
    for _, request in ipairs(server:requests()) do of[#of + 1] = { request[1], request[4] } end
    local first, second, third, fourth = of[1], of[2], of[3], of[4]
    if first[2] == "/large" then first, second, third = second, third, first end -- logged when it ends
    assert.same({ "/hello", "/hello" }, { first[2], second[2] })
    assert.equal(first[1], second[1])
    assert.are_not.equal(first[1], third[1])
    assert.equal(first[1], fourth[1])
  end)

  it("ask by another connection after one on which nothing came, over HTTP/2 too", function()
    if not ready() then return end
    for index = 1, 2 do
      local silent, relayed = {}, 0
      local listener = assert(tcp.listen({ host = "127.0.0.1" }))
      local function pass(from, to, number)
        for data in function() return (from:read()) end do
          if not silent[number] then to:write(data) end
        end
        to:close()
      end
      local relaying = task.spawn(function()
        for near in function() return (listener:accept()) end do
          relayed = relayed + 1
          local far = assert(tcp.connect({ host = "127.0.0.1", port = server.ports[index] }))
          task.spawn(pass, near, far, relayed)
          task.spawn(pass, far, near, relayed)
        end
      end)
      local asked = {
        url = ("http%s://127.0.0.1:%d/hello"):format(index > 1 and "s" or "", (select(2, listener:address()))), ca_file = ca,
        timeout = 0.3,
      }
      assert(http.request(asked))
      silent[1] = true
      assert.equal("ETIMEDOUT", (select(3, http.request(asked))))
      assert.equal("hello\n", assert(http.request(asked)).body)
      assert.equal(2, relayed)
      relaying:cancel()
      listener:close()
    end
  end)

  it("know what has not changed", function()
    if not ready() then return end
    local etag = assert(http.request({ url = url(1), headers = { ["Accept-Encoding"] = "identity" } })).headers.etag
    local answer = assert(http.request({ url = url(1), if_none_match = etag }))
    assert.same({ 304, "" }, { answer.status, answer.body })
    files:write("www/hello", "hello again\n")
    assert.equal("hello again\n", assert(http.request({ url = url(1), if_none_match = etag })).body)
  end)

  it("send what comes slowly, as it comes", function()
    if not ready() then return end
    files:sh("mkdir -p www/slow && seq 8000 >www/slow/list") -- 38 kB, of which nginx sends 20 at once
    local stream, lines = assert(http.stream({ url = url(1, "slow/list") })), 0
    for _ in stream:lines() do lines = lines + 1 end
    assert.equal(8000, lines)
    stream = assert(http.stream({ url = url(1, "slow/list") }))
    local pieces, first = {}, nil
    for piece in stream:chunks() do
      pieces[#pieces + 1] = piece
      first = first or timer.now()
    end
    assert.is_true(#pieces > 1 and timer.now() - first > 0.3, #pieces .. " pieces")
    assert.equal(assert(fs.read(files.path .. "/www/slow/list")), table.concat(pieces))
  end)

  it("let one wait while it is not read, and nobody else, over HTTP/2 too", function()
    if not ready() then return end
    files:sh("seq 4000000 >www/large")
    local size = assert(fs.stat(files.path .. "/www/large")).size
    for index = 1, 2 do
      local stream = assert(http.stream({ url = url(index, "large"), ca_file = ca }))
      for _ = 1, 3 do assert.equal("hello\n", assert(http.request({ url = url(index), ca_file = ca, timeout = 2 })).body) end
      local got = 0
      for chunk in stream:chunks() do
        got = got + #chunk
        if got < 2 ^ 20 then task.sleep(0.05) end
      end
      assert.equal(size, got)
      assert.is_true(stream:result())
    end
  end)

  it("have hundreds of requests under way", function()
    if not ready() then return end
    files:sh("seq 20000 >www/large")
    local body, tasks = assert(fs.read(files.path .. "/www/large")), {}
    for i = 1, 200 do
      local is_tls = i % 4 == 0
      tasks[i] = task.spawn(http.request, { url = url(is_tls and 2 or 1, "large"), ca_file = ca })
    end
    for i = 1, 200 do assert.is_true(assert(tasks[i]:wait()).body == body) end
  end)
end)

describe("an engine that never asks", function()
  it("has not loaded libcurl", function()
    local files = folder.new()
    local script = files:write("maps.lua", [[
      local http = require("engine.http")
      local function has_curl() return io.open("/proc/self/maps"):read("*a"):find("libcurl", 1, true) ~= nil end
      io.write(tostring(has_curl()), " ")
      http.request({ url = "http://" })
      print(has_curl())
    ]])
    local ended = assert(process.run({ Daemon.binary(), "run", script }))
    files:remove()
    assert.equal("false true\n", ended.stdout)
  end)
end)
