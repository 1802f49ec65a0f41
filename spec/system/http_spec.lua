-- SPDX-License-Identifier: MIT
-- engine.http against nginx: TLS, HTTP/2, gzip, kept connections, a Unix socket, large and many answers.
local Daemon = require("support.daemon")
local dns = require("engine.dns")
local folder = require("support.folder")
local fs = require("engine.fs")
local http = require("engine.http")
local log = require("engine.log")
local nginx = require("support.nginx")
local process = require("engine.process")
local task = require("engine.task")

local CONFIG = [[
  gzip on; gzip_types text/plain; gzip_min_length 0;
  default_type text/plain;
  server {
    listen 127.0.0.1:PORT1; listen unix:FOLDER/socket; root FOLDER/www;
    location /to-tls { return 302 https://127.0.0.1:PORT2/hello; }
    location /slow { limit_rate 20k; }
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
]]

local function has(command) return assert(process.run({ "sh", "-c", "command -v " .. command })).code == 0 end

describe("engine.http and nginx", function()
  local files, server, ca
  local is_there = has("nginx") and has("openssl") and has("faketime")

  -- The server, unless there is none: then the spec says so.
  local function ready()
    if not is_there then pending("needs nginx, openssl and faketime") end
    return is_there
  end

  before_each(function()
    if not is_there then return end
    files = folder.new()
    files:sh("chmod 755 . && mkdir -m 755 www")
    files:write("www/hello", "hello\n")
    nginx.make_certificates(files, {
      good = { san = "DNS:localhost,IP:127.0.0.1" },
      expired = { san = "IP:127.0.0.1", expired = true },
      other = { san = "DNS:other.test" },
    })
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
    refused({ url = url(3), ca_file = ca }, "certificate: certificate has expired", "ECERT")
    refused({ url = url(4), ca_file = ca }, "certificate: no alternative certificate subject name matches target host name '127.0.0.1'", "ECERT")
    refused({ url = url(2), ca_file = files.path .. "/good.key" }, "?", "ECERT")
    refused({ url = url(2), ca_file = files.path .. "/none" }, "?", "ECERT")
    refused({ url = url(2), ca = "nonsense" }, "?", "ECERT")
    assert.equal(200, assert(http.request({ url = url(2), ca_file = ca })).status)
    refused({ url = url(2) }, "certificate: unable to get local issuer certificate", "ECERT")
  end)
end)
