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

  -- What a process prints that asks for these URLs with these proxies: of each the body or the message.
  local function ask(proxies, ...)
    local files = folder.new()
    local script = files:write("ask.lua", [[
      local http = require("engine.http")
      for i = 1, #arg do
        local answer, message = http.request({ url = arg[i], timeout = 1 })
        print(answer and answer.body or message)
      end
    ]])
    local command = { Daemon.binary(), "run", script, ... }
    command.env, command.timeout = proxies, 20
    local ended = assert(process.run(command))
    files:remove()
    return ended.stdout
  end

  it("is asked for what only it can find, and not for what is near", function()
    local it_is = server.start(function(request) return request.path:find("/x$") and server.answer("by proxy") or nil end)
    local near = server.start(function() return server.answer("near") end)
    finally(function()
      it_is:stop()
      near:stop()
    end)
    local proxies = { http_proxy = "http://joe:pass@localhost:" .. it_is.port, no_proxy = "127.0.0.0/8", all_proxy = false }
    local failure = "GET http://nowhere.invalid/end (by a proxy): the connection was closed without an answer\n"
    assert.equal("by proxy\nnear\n" .. failure,
      ask(proxies, "http://nowhere.invalid/x", near.url, "http://nowhere.invalid/end"))
    local request = it_is.requests[1]
    assert.same({ "http://nowhere.invalid/x", "Basic am9lOnBhc3M=" }, { request.path, request.headers["proxy-authorization"] })
  end)

  it("may refuse, say nothing, or not be there", function()
    local mute = server.start(function(_, stream) stream:read() end)
    local wary = server.start(function() return server.answer("", {}, "403 Forbidden") end)
    finally(function()
      mute:stop()
      wary:stop()
    end)
    local plain, tls = "http://nowhere.invalid/", "https://nowhere.invalid/"
    local function said(address, first, second)
      assert.equal(("GET %s (by a proxy): %s\nGET %s (by a proxy): %s\n"):format(plain, first, tls, second),
        ask({ http_proxy = address, https_proxy = address, no_proxy = false, NO_PROXY = false }, plain, tls))
    end
    said(mute.url, "no answer within 1 s", "no connection within 1 s")
    mute.listener:close()
    said(mute.url, "connection refused", "connection refused")
    assert.equal("\nGET https://nowhere.invalid/ (by a proxy): CONNECT tunnel failed, response 403\n",
      ask({ http_proxy = wary.url, https_proxy = wary.url, no_proxy = false, NO_PROXY = false }, plain, tls))
  end)
end)
