-- SPDX-License-Identifier: MIT
-- Proxies of the environment: which one applies to whom, and that it is asked.
local Daemon = require("support.daemon")
local folder = require("support.folder")
local process = require("engine.process")
local proxy = require("engine.http.proxy")
local server = require("support.http_server")

-- What is found with these variables and no others.
local function find(variables, scheme, host)
  return proxy.find(scheme, host, function(name) return variables[name] end)
end

describe("the proxy", function()
  it("is that of the scheme, else that of all", function()
    assert.equal("p", find({ http_proxy = "p" }, "http", "h"))
    assert.is_nil(find({ http_proxy = "p" }, "https", "h"))
    assert.equal("q", find({ https_proxy = "q", HTTPS_PROXY = "r" }, "https", "h"))
    assert.equal("r", find({ HTTPS_PROXY = "r", all_proxy = "s" }, "https", "h"))
    assert.equal("s", find({ all_proxy = "s" }, "http", "h"))
    assert.equal("t", find({ ALL_PROXY = "t" }, "http", "h"))
    assert.is_nil(find({ http_proxy = "", no_proxy = "x" }, "http", "h"))
  end)

  it("is none that a CGI program's client could set", function() assert.is_nil(find({ HTTP_PROXY = "p" }, "http", "h")) end)

  it("is none for those in no_proxy", function()
    for _, case in ipairs({
      { "*", "anyone" },
      { "example.org", "example.org" },
      { "example.org", "a.example.org" },
      { ".example.org", "example.org" },
      { "a, Example.org", "b.example.org." },
      { "a example.org.", "example.org" },
      { "10.1.2.3", "10.1.2.3" },
      { "10.0.0.0/8", "10.200.3.4" },
      { "192.168.16.0/20", "192.168.31.255" },
      { "0.0.0.0/0", "8.8.8.8" },
      { "::1", "[::1]" },
      { "[fd00::1]", "[fd00:0::1]" },
      { "fd00::/8", "[fdff::5:6]" },
      { "2001:db8:8000::/33", "[2001:db8:ffff::1]" },
    }) do
      assert.is_nil(find({ http_proxy = "p", no_proxy = case[1] }, "http", case[2]), case[1] .. " " .. case[2])
      assert.is_nil(find({ http_proxy = "p", NO_PROXY = case[1] }, "http", case[2]))
    end
  end)

  it("is one for others", function()
    for _, case in ipairs({
      { "example.org", "anexample.org" },
      { "example.org", "example.org.uk" },
      { "10.0.0.0/8", "11.0.0.1" },
      { "192.168.16.0/20", "192.168.32.0" },
      { "10.1.2.3", "10.1.2.33" },
      { "10.1.2.3/33", "10.1.2.3" },
      { "1.2.3.4", "5.1.2.3.4.example" },
      { "::1", "[::2]" },
      { "2001:db8:8000::/33", "[2001:db8:7fff::1]" },
      { "::/0", "10.0.0.1" },
      { ".", "h" },
      { "", "h" },
    }) do
      assert.equal("p", find({ http_proxy = "p", no_proxy = case[1] }, "http", case[2]), case[1] .. " " .. case[2])
    end
  end)

  it("is asked for what only it can find, and not for what is near", function()
    local files, it_is = folder.new(), server.start(function(request)
      return request.path:find("/x$") and server.answer("by proxy") or nil
    end)
    local script = files:write("ask.lua", [[
      local http = require("engine.http")
      for i = 1, #arg do
        local answer, message = http.request({ url = arg[i] })
        print(answer and answer.body or message)
      end
    ]])
    local near = server.start(function() return server.answer("near") end)
    local ended = assert(process.run({
      Daemon.binary(), "run", script, "http://nowhere.invalid/x", near.url, "http://nowhere.invalid/end",
      env = { http_proxy = "http://joe:pass@localhost:" .. it_is.port, no_proxy = "127.0.0.0/8", all_proxy = false },
      timeout = 20,
    }))
    local request = it_is.requests[1]
    for _, each in ipairs({ it_is, near, files }) do (each.stop or each.remove)(each) end
    local failure = "GET http://nowhere.invalid/end (by a proxy): the connection was closed without an answer\n"
    assert.equal("by proxy\nnear\n" .. failure, ended.stdout)
    assert.same({ "http://nowhere.invalid/x", "Basic am9lOnBhc3M=" }, { request.path, request.headers["proxy-authorization"] })
  end)
end)
