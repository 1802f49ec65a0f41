-- SPDX-License-Identifier: MIT
-- Proxies of the environment: which one applies to whom, and that it is asked.
local Daemon = require("support.daemon")
local folder = require("support.folder")
local library = require("engine.http.library")
local process = require("engine.process")
local proxy = require("engine.http.proxy")
local server = require("support.http_server")
local task = require("engine.task")
local tcp = require("engine.tcp")

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

  it("is read as libcurl reads it, with its ports", function()
    local core = assert(library.load())
    for text, expected in pairs({
      ["h"] = { "http://h", "h", 1080, false },
      ["ftp.h:3128"] = { "http://ftp.h:3128", "ftp.h", 3128, false },
      ["http://joe:80@H"] = { "http://joe:80@H", "h", 1080, false },
      ["http://h:80/path"] = { "http://h:80/path", "h", 80, false },
      ["https://h"] = { "https://h", "h", 443, false },
      ["HTTPS://h:8443/"] = { "HTTPS://h:8443/", "h", 8443, false },
      ["http://[fd00::1]"] = { "http://[fd00::1]", "[fd00::1]", 1080, false },
      ["socks5://h"] = { "socks5://h", "h", 1080, true },
      ["socks5h://h:1"] = { "socks5h://h:1", "h", 1, false },
      ["socks4://h"] = { "socks4://h", "h", 1080, true },
    }) do
      local read = assert(proxy.read(core, text, "x"))
      assert.same(expected, { read.text, read.host, read.port, read.is_told_addresses }, text)
    end
  end)

  -- What a process prints that asks for these URLs with these proxies: of each the body or the message.
  local function ask(proxies, ...)
    local files = folder.new()
    local script = files:write("ask.lua", [[
      local dns, http = require("engine.dns"), require("engine.http")
      dns.files({ hosts = arg[0]:gsub("[^/]+$", "hosts"), resolv_conf = "/dev/null" })
      if arg[1] == "check" then return print(select(2, http.check({ url = arg[2] })), (select(3, http.check({ url = arg[2] })))) end
      for i = 1, #arg do
        local answer, message, code = http.request({ url = arg[i], timeout = 1 })
        print(answer and answer.body or message .. (code == "EINVAL" and "\tEINVAL" or ""))
      end
    ]])
    files:write("hosts", "127.0.0.1 localhost two.test\n")
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

  it("is refused where nobody can read it, without its user info, also by http.check", function()
    local url, plain = "http://nowhere.invalid/", "GET http://nowhere.invalid/: http_proxy: bad url "
    for text, expected in pairs({
      ["foo://joe:secret@127.0.0.1:1"] =
        '"…@127.0.0.1:1": expected http or https or socks4 or socks4a or socks5 or socks5h, found "foo"',
      ["http://joe:secret@127.0.0.1:x"] = '"http://…@127.0.0.1:x": port number was not a decimal number between 0 and 65535',
      ["joe:secret@127.0.0.1:x"] = '"http://…@127.0.0.1:x": port number was not a decimal number between 0 and 65535',
      ["http://"] = '"http://": expected a host',
    }) do
      local proxies = { http_proxy = text, no_proxy = false, NO_PROXY = false }
      assert.equal(plain .. expected .. "\tEINVAL\n", ask(proxies, url))
      assert.equal(plain .. expected .. "\tEINVAL\n", ask(proxies, "check", url))
    end
  end)

  -- RFC 1928: one that hands everything on to `target`, and notes what address it was given.
  local function start_socks(target)
    local listener, noted = assert(tcp.listen({ host = "127.0.0.1" })), {}
    local serving = task.spawn(function()
      local near = assert(listener:accept())
      near:read()
      near:write("\5\0")
      noted.request = near:read()
      local far = assert(tcp.connect({ host = "127.0.0.1", port = target }))
      near:write("\5\0\0\1\0\0\0\0\0\0")
      far:write(near:read())
      near:write(far:read())
      near:close()
      far:close()
    end)
    return { noted = noted, port = select(2, listener:address()), stop = function()
      serving:cancel()
      listener:close()
    end }
  end

  it("is told the address of whom we ask, if it wants that, as engine.dns finds it", function()
    local it_is = server.start(function() return server.answer("hello") end)
    local socks = start_socks(it_is.port)
    finally(function()
      it_is:stop()
      socks.stop()
    end)
    local proxies = { http_proxy = "socks5://localhost:" .. socks.port, no_proxy = false, NO_PROXY = false }
    assert.equal("hello\n", ask(proxies, ("http://two.test:%d/"):format(it_is.port)))
    assert.equal("\5\1\0\1\127\0\0\1", socks.noted.request:sub(1, 8))
    assert.equal("two.test:" .. it_is.port, it_is.requests[1].headers.host)
  end)
end)
