-- SPDX-License-Identifier: MIT
-- HTTP as a client: what is sent, what is given, and all the ways in which an answer fails. Real servers and TLS:
-- spec/system/http_spec.lua.
local Daemon = require("support.daemon")
local dns = require("engine.dns")
local eventually = require("support.eventually")
local folder = require("support.folder")
local fs = require("engine.fs")
local http = require("engine.http")
local process = require("engine.process")
local scopes = require("engine.scope")
local server = require("support.http_server")
local task = require("engine.task")
local tcp = require("engine.tcp")
local timer = require("engine.timer")

local answer = server.answer

local to_undo = {}

after_each(function()
  for i = #to_undo, 1, -1 do to_undo[i]() end
  to_undo = {}
end)

local function later(undo) to_undo[#to_undo + 1] = undo end

local function serve(script, options)
  local started = server.start(script, options)
  later(function() started:stop() end)
  return started
end

-- A server that gives the same to everyone.
local function serving(text)
  return serve(function() return text end)
end

-- One that sends these bytes and then closes the connection.
local function sending(text)
  return serve(function(_, stream) stream:write(text) end)
end

local function asked(options, message, code)
  local result, found, found_code = http.request(options)
  assert.is_nil(result)
  assert.equal(message, found)
  assert.equal(code, found_code)
end

local function temporary_folder()
  local made = folder.new()
  later(function() made:remove() end)
  return made
end

-- What the descriptors are of: a socket has a number that does not recur.
local function open_descriptors()
  local open = {}
  for _, fd in ipairs(fs.list("/proc/self/fd")) do
    local what = fs.readlink("/proc/self/fd/" .. fd)
    if what then open[what] = true end -- else it was that of the list
  end
  return open
end

-- Connections kept of requests before may be closed meanwhile; that is no matter.
local function opened_since(before)
  local new = {}
  for what in pairs(open_descriptors()) do
    if not before[what] then new[#new + 1] = what end
  end
  return new
end

describe("http.request", function()
  it("gives the status, the headers by their lower-case names, and the body", function()
    local found = assert(http.request({ url = serving(answer("hello", { "X-Its-Name:  a b \t", ":none" }, "200 X: y")).url .. "/x" }))
    assert.is_truthy(found.label:find("^http://127.0.0.1:%d+/x$"), found.label)
    found.label = nil
    assert.same({ status = 200, headers = { ["content-length"] = "5", ["x-its-name"] = "a b" }, body = "hello" }, found)
  end)

  it("joins the values of one name, but cookies by line breaks", function()
    local fields = { "Vary: a", "vary: b", "Set-Cookie: a=1, 2", "Set-Cookie: b", "X-Folded: c", "  d" }
    local found = assert(http.request({ url = serving(answer("", fields)).url }))
    assert.equal("a, b", found.headers.vary)
    assert.equal("a=1, 2\nb", found.headers["set-cookie"])
    assert.equal("c    d", found.headers["x-folded"])
  end)

  it("takes any status for an answer", function()
    for _, status in ipairs({ "204 No Content", "304 Not Modified", "404 Not Found", "500 Oops", "503 Busy" }) do
      local text = status:find("^[23]") and "HTTP/1.1 " .. status .. "\r\n\r\n" or answer("why", {}, status)
      assert.equal(tonumber(status:sub(1, 3)), assert(http.request({ url = serving(text).url })).status)
    end
  end)

  it("passes over answers that only announce the answer", function()
    local early = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    local found = assert(http.request({ url = serving(early .. early .. answer("it")).url }))
    assert.same({ 200, "it", nil }, { found.status, found.body, found.headers.link })
  end)

  it("sends what it was told, and no more than that", function()
    local it_is = serving(answer("ok"))
    assert(http.request({
      url = it_is.url .. "/a?b=c", method = "PUT", body = "x\0y", headers = { ["X-One"] = "1", ["X-Empty"] = "", Accept = "a/b" },
    }))
    local request = it_is.requests[1]
    assert.same({ "PUT", "/a?b=c", "x\0y" }, { request.method, request.path, request.body })
    assert.same({ "1", "", "a/b", "3" }, {
      request.headers["x-one"], request.headers["x-empty"], request.headers.accept, request.headers["content-length"],
    })
    assert.is_nil(request.headers["content-type"])
    assert.equal(1, select(2, request.head:gsub("\nAccept:", "")))
    assert.is_truthy(request.headers["user-agent"]:find("^peerage%-lua/%d"))
  end)

  it("sends values without the blanks around them, also those of nothing else", function()
    local it_is = serving(answer("ok"))
    assert(http.request({ url = it_is.url, headers = { ["X-A"] = " ", ["X-B"] = "\t a  b  ", Host = " h " } }))
    local found = it_is.requests[1].headers
    assert.same({ "", "a  b", "h" }, { found["x-a"], found["x-b"], found.host })
  end)

  it("tells that a POST has no body, and sends a body's type if it is given", function()
    local it_is = serving(answer("ok"))
    assert(http.request({ url = it_is.url, method = "POST" }))
    assert(http.request({ url = it_is.url, method = "POST", body = "{}", headers = { ["content-type"] = "application/json" } }))
    assert.equal("0", it_is.requests[1].headers["content-length"])
    assert.equal("application/json", it_is.requests[2].headers["content-type"])
  end)

  it("sends a large body at once", function()
    local it_is, began = serving(answer("ok")), timer.now()
    assert(http.request({ url = it_is.url, method = "POST", body = ("x"):rep(5000000) }))
    assert.equal(5000000, #it_is.requests[1].body)
    assert.is_nil(it_is.requests[1].headers.expect)
    assert.is_true(timer.now() - began < 0.9)
  end)

  it("reads no body after HEAD, whatever length is told", function()
    local it_is = serve(function(request)
      assert.equal("HEAD", request.method)
      return "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
    end)
    local found = assert(http.request({ url = it_is.url, method = "HEAD" }))
    assert.same({ "100000000", "" }, { found.headers["content-length"], found.body })
  end)

  it("asks whether it has changed", function()
    local it_is = serve(function(request)
      return request.headers["if-none-match"] == '"v1"' and "HTTP/1.1 304 Not Modified\r\n\r\n" or answer("new")
    end)
    assert.equal(304, assert(http.request({ url = it_is.url, if_none_match = '"v1"' })).status)
    assert.equal("new", assert(http.request({ url = it_is.url, if_none_match = '"v0"' })).body)
  end)

  it("reads a token anew for each request", function()
    local it_is, files = serving(answer("ok")), temporary_folder()
    local path = files:write("token", "one\n")
    assert(http.request({ url = it_is.url, bearer_file = path }))
    files:write("token", "  two\n\n")
    assert(http.request({ url = it_is.url, bearer_file = path }))
    assert.equal("Bearer one", it_is.requests[1].headers.authorization)
    assert.equal("Bearer two", it_is.requests[2].headers.authorization)
    files:write("token", "x" .. (" "):rep(60000) .. "y")
    local began = os.clock()
    assert.is_nil((http.request({ url = it_is.url, bearer_file = path })))
    assert.is_true(os.clock() - began < 0.5)
    files:write("token", "a b\n")
    asked({ url = it_is.url, bearer_file = path },
      ("GET %s/: bearer_file %s: expected one token, found several words, or bytes that are no text"):format(it_is.url, path), "EINVAL")
    asked({ url = it_is.url, bearer_file = path .. "x" },
      ("GET %s/: cannot read %sx: no such file or directory"):format(it_is.url, path), "ENOENT")
    assert.equal(2, #it_is.requests)
  end)

  it("sends user info as authentication, and shows neither it nor a query", function()
    local it_is = serving(answer("ok", {}, "200 OK"))
    assert(http.request({ url = (it_is.url:gsub("//", "//joe:pass@")) }))
    assert.equal("Basic am9lOnBhc3M=", it_is.requests[1].headers.authorization)
    it_is:stop()
    asked({ url = it_is.url:gsub("//", "//joe:pass@") .. "/x?token=y#z" },
      ("GET %s/x?…: connection refused"):format(it_is.url), "ECONNREFUSED")
  end)

  it("uses a connection again", function()
    local it_is = serving(answer("ok"))
    for _ = 1, 3 do assert(http.request({ url = it_is.url })) end
    assert.equal(1, #it_is.streams)
  end)

  it("asks anew where the connection that was kept has been closed", function()
    local it_is = serve(function(_, stream)
      stream:write(answer("ok"))
      return nil
    end)
    for _ = 1, 3 do
      assert.equal("ok", assert(http.request({ url = it_is.url })).body)
      it_is:await_closed()
    end
    assert.equal(3, #it_is.streams)
  end)

  it("reaches IPv6, and a Unix socket", function()
    assert.equal("six", assert(http.request({ url = serve(function() return answer("six") end, { host = "::1" }).url })).body)
    local path = temporary_folder().path .. "/socket"
    local it_is = serve(function() return answer("unix") end, { path = path })
    assert.equal("unix", assert(http.request({ url = "http://whoever/x", unix_socket = path })).body)
    assert.equal("whoever", it_is.requests[1].headers.host)
    asked({ url = "http://whoever/x", unix_socket = path .. "x" },
      ("GET http://whoever/x (by %sx): no such file or directory"):format(path), "ENOENT")
  end)

  it("looks names up as engine.dns does, and tries each address", function()
    local files = temporary_folder()
    dns.files({ hosts = files:write("hosts", "127.0.0.2 two.test\n127.0.0.1 two.test\n"), resolv_conf = files:write("resolv", "") })
    later(function() dns.files() end)
    local it_is = serving(answer("ok"))
    assert.equal("ok", assert(http.request({ url = ("http://Two.test:%d/"):format(it_is.port) })).body)
    assert.equal(("Two.test:%d"):format(it_is.port), it_is.requests[1].headers.host)
    assert.equal("ok", assert(http.request({ url = ("http://two.test.:%d/"):format(it_is.port) })).body)
    files:write("resolv", "nameserver 127.0.0.2\n")
    dns.files({ hosts = files.path .. "/hosts", resolv_conf = files.path .. "/resolv" })
    local _, message, code = http.request({ url = "http://a.test./", timeout = 0.5 })
    assert.is_truthy(message:find("^GET http://a.test./: .*127.0.0.2:53"), message)
    assert.is_truthy(code == "ESERVFAIL" or code == "ETIMEDOUT", code)
    asked({ url = "http://a..b/" }, 'bad url "http://a..b/": bad name "a..b": a label of 0 bytes, expected 1 to 63', "EINVAL")
  end)
end)

describe("http.request follows redirects", function()
  local function redirecting(status, location)
    return serve(function(request)
      if request.path == "/there" then return answer("there") end
      return answer("", { "Location: " .. location }, status .. " Elsewhere")
    end)
  end

  it("to paths and whole URLs, as far as it was told", function()
    local it_is = redirecting(302, "there")
    assert.equal("there", assert(http.request({ url = it_is.url .. "/here" })).body)
    local found = assert(http.request({ url = it_is.url .. "/here", follow = false }))
    assert.same({ 302, "there" }, { found.status, found.headers.location })
    local other = redirecting(308, it_is.url .. "/here")
    assert.equal("there", assert(http.request({ url = other.url, follow = 2 })).body)
    asked({ url = other.url, follow = 1 }, ("GET %s/: more than 1 redirects"):format(other.url), "ELOOP")
  end)

  it("not for ever", function()
    local it_is = redirecting(301, "/again?and=again")
    asked({ url = it_is.url .. "/x" }, ("GET %s/x: more than 5 redirects"):format(it_is.url), "ELOOP")
    assert.equal(6, #it_is.requests)
  end)

  it("with the method and the body for 307 and 308 only", function()
    for status, expected in pairs({ [301] = "GET", [302] = "GET", [303] = "GET", [307] = "POST", [308] = "POST" }) do
      local it_is = redirecting(status, "/there")
      assert(http.request({ url = it_is.url, method = "POST", body = "b" }))
      assert.same({ expected, expected == "POST" and "b" or "" }, { it_is.requests[2].method, it_is.requests[2].body })
    end
    local it_is = redirecting(302, "/there")
    assert(http.request({ url = it_is.url, method = "DELETE" }))
    assert.equal("DELETE", it_is.requests[2].method)
  end)

  it("and tells another origin no secrets", function()
    local files, other = temporary_folder(), serving(answer("there"))
    local here = redirecting(302, "/there")
    local away = redirecting(302, other.url .. "/there")
    for _, it_is in ipairs({ here, away }) do
      assert(http.request({
        url = it_is.url, bearer_file = files:write("token", "t"), if_none_match = "e", headers = { ["X-Token"] = "s", Accept = "a/b" },
      }))
    end
    local same, others = here.requests[2].headers, other.requests[1].headers
    assert.same({ "Bearer t", "s", "a/b", "e" }, { same.authorization, same["x-token"], same.accept, same["if-none-match"] })
    assert.same({ "a/b", "e" }, { others.accept, others["if-none-match"] })
    assert.is_nil(others.authorization)
    assert.is_nil(others["x-token"])
    local named = redirecting(302, other.url .. "/there")
    assert(http.request({ url = (named.url:gsub("//", "//joe:pass@")) }))
    assert.is_nil(other.requests[2].headers.authorization)
  end)

  it("with the user info of its URL where the origin is the same, and nowhere else", function()
    local away = serving(answer("there"))
    for _, to in ipairs({ "/there", "there", "%s/there", "//%s/there", "http://%s/there", "http://ann:other@%s/there" }) do
      local target
      local it_is = serve(function(request)
        return request.path == "/there" and answer("there") or answer("", { "Location: " .. target }, "301 There")
      end)
      target = to:gsub("^%%s", it_is.url):gsub("%%s", (it_is.url:gsub("^http://", "")))
      assert(http.request({ url = it_is.url:gsub("//", "//joe:p%%40ss@") .. "/here" }))
      local expected = to:find("ann") and "Basic YW5uOm90aGVy" or "Basic am9lOnBAc3M="
      assert.equal(expected, it_is.requests[2].headers.authorization, to)
    end
    local out = redirecting(301, away.url .. "/there")
    assert(http.request({ url = (out.url:gsub("//", "//joe:pass@")) }))
    assert.is_nil(away.requests[1].headers.authorization)
  end)

  it("but sends no other origin what it was to send", function()
    local away = serving(answer("there"))
    for _, status in ipairs({ 307, 308 }) do
      local it_is = redirecting(status, away.url .. "/there")
      asked({ url = it_is.url, method = "POST", body = "secret" },
        ("POST %s/: redirected to %s/there with what was sent, which is for %s only"):format(it_is.url, away.url, it_is.url), "EPROTO")
      assert.equal("there", assert(http.request({ url = it_is.url, method = "POST" })).body)
    end
    assert.equal(2, #away.requests)
    assert.equal("there", assert(http.request({ url = redirecting(303, away.url).url, method = "POST", body = "b" })).body)
  end)

  it("to nothing but HTTP", function()
    for location, reason in pairs({
      ["file:///etc/passwd"] = 'bad url "file:///etc/passwd": expected http or https, found "file"',
      ["gopher://127.0.0.1/x"] = 'bad url "gopher://127.0.0.1/x": expected http or https, found "gopher"',
      ["http://127.0.0.1:99999/"] = 'bad url "http://127.0.0.1:99999/": port number was not a decimal number between 0 and 65535',
    }) do
      local it_is = redirecting(302, location)
      asked({ url = it_is.url }, ("GET %s/: redirected to a %s"):format(it_is.url, reason), "EPROTO")
    end
  end)
end)

describe("http.request refuses", function()
  it("wrong options, by raising", function()
    for text, options in pairs({
      ['option "url": expected a URL, found none'] = {},
      ['option "url": expected a string, found a number'] = { url = 1 },
      ['unknown option "urls"'] = { urls = "x" },
      ['option "timeout": expected seconds above 0 and up to 1e6, found 0'] = { url = "x", timeout = 0 },
      ['option "connect_timeout": expected seconds above 0 and up to 1e6, found nan'] = { url = "x", connect_timeout = 0 / 0 },
      ['option "max_body": expected an integer from 0 to 1073741824, found -1'] = { url = "x", max_body = -1 },
      ['option "follow": expected an integer from 0 to 20, found 21'] = { url = "x", follow = 21 },
      ['option "method": expected one like GET, found "get"'] = { url = "x", method = "get" },
      ['option "method": expected one like GET, found "GET / HTTP"'] = { url = "x", method = "GET / HTTP" },
      ['option "method": expected one like GET, found "GET??"'] = { url = "x", method = "GET\r\n" },
      ['option "body": expected none beside method = "HEAD"'] = { url = "x", method = "HEAD", body = "b" },
      ['option "ca_file": expected text without control characters, found ""'] = { url = "x", ca_file = "" },
      ['option "unix_socket": expected text without control characters, found some'] = { url = "x", unix_socket = "a\0b" },
      ['option "client_key": expected client_cert beside it'] = { url = "x", client_key = "k" },
      ["expected ca or ca_file, found both"] = { url = "x", ca = "a", ca_file = "b" },
      ['unknown option "idle_timeout"'] = { url = "x", idle_timeout = 1 },
    }) do
      local ok, message = pcall(http.request, options)
      assert.is_false(ok, text)
      assert.is_truthy(message:find(text, 1, true), message)
    end
    local _, message = pcall(function() http.request({}) end)
    assert.is_truthy(message:find("^spec/engine/http_spec.lua:%d+: ") or message:find("/http_spec.lua:%d+: "), message)
  end)

  it("bad URLs, before anything is asked", function()
    for url, reason in pairs({
      ["ftp://127.0.0.1/"] = '"ftp://127.0.0.1/": expected http or https, found "ftp"',
      ["file:///etc/passwd"] = '"file:///etc/passwd": expected http or https, a host and a path, as in http://127.0.0.1:8080/nodes',
      ["127.0.0.1:80"] = '"127.0.0.1:80": expected http or https, a host and a path, as in http://127.0.0.1:8080/nodes',
      [""] = '"": expected http or https, a host and a path, as in http://127.0.0.1:8080/nodes',
      ["http://"] = '"http://": expected http or https, a host and a path, as in http://127.0.0.1:8080/nodes',
      ["http:///x"] = '"http:///x": expected http or https, a host and a path, as in http://127.0.0.1:8080/nodes',
      ["http://127.0.0.1:65536/"] = '"http://127.0.0.1:65536/": port number was not a decimal number between 0 and 65535',
      ["http://127.0.0.1:x/"] = '"http://127.0.0.1:x/": port number was not a decimal number between 0 and 65535',
      ["http://127.0.0.1:0/"] = '"http://127.0.0.1:0/": expected a port from 1 to 65535, found 0',
      ["http://a b/"] = '"http://a b/": byte 0x20 at 9, expected printable ASCII: other names of hosts as punycode, xn--…',
      ["http://h/a b"] = '"http://h/a b": byte 0x20 at 11, expected it percent-encoded',
      ["http://h/a\r\nHost: x"] = '"http://h/a??Host: x": byte 0x0d at 11, expected it percent-encoded',
      ["http://h/\0"] = '"http://h/?": byte 0x00 at 10, expected it percent-encoded',
      ["http://j:secret@h:x/?t=secret"] = '"http://…@h:x/?…": port number was not a decimal number between 0 and 65535',
      ["http://[::1/"] = '"http://[::1/": bad IPv6 address',
    }) do
      asked({ url = url }, "bad url " .. reason, "EINVAL")
    end
  end)

  it("headers that are there twice, or clash with an option", function()
    local it_is, files = serving(answer("ok")), temporary_folder()
    for message, options in pairs({
      ['header "X-A": expected once, found "x-a" too'] = { headers = { ["X-A"] = "1", ["x-a"] = "2" } },
      ['header "Authorization": expected none beside the option bearer_file'] =
        { headers = { authorization = "Basic eDp5" }, bearer_file = files:write("token", "t") },
      ['header "If-None-Match": expected none beside the option if_none_match'] =
        { headers = { ["if-none-match"] = "1" }, if_none_match = "2" },
      ['user info in the URL: expected none beside bearer_file or the header "Authorization"'] =
        { url = it_is.url:gsub("//", "//joe:pass@"), headers = { authorization = "Basic eDp5" } },
    }) do
      options.url = options.url or it_is.url
      asked(options, ("GET %s/: %s"):format(it_is.url, message), "EINVAL")
    end
    assert.equal(0, #it_is.requests)
  end)

  it("files that libcurl would wait for, in the middle of all", function()
    local files = temporary_folder()
    files:sh("mkfifo pipe && mkdir folder")
    for _, option in ipairs({ "ca_file", "client_cert", "client_key" }) do
      for name, kind in pairs({ pipe = "fifo", folder = "directory" }) do
        local path = files.path .. "/" .. name
        local given = { url = "https://127.0.0.1:1/", client_cert = option == "client_key" and "/dev/null/none" or nil }
        given[option] = path
        asked(given, ("GET https://127.0.0.1:1/: certificate: %s: it is a %s, expected a regular file"):format(path, kind), "ECERT")
      end
    end
  end)

  it("headers that would end a line, or are written by themselves", function()
    local it_is = serving(answer("ok"))
    for name, case in pairs({
      ["X-A"] = { "a\r\nX-B: b", 'header "X-A": byte 0x0d in its value, expected no line breaks or other control characters' },
      ["X-B"] = { "a\nb", 'header "X-B": byte 0x0a in its value, expected no line breaks or other control characters' },
      ["X-C"] = { "a\0b", 'header "X-C": byte 0x00 in its value, expected no line breaks or other control characters' },
      ["X D"] = { "a", 'header "X D": expected a name of letters, digits and dashes' },
      ["X-E:"] = { "a", 'header "X-E:": expected a name of letters, digits and dashes' },
      [""] = { "a", 'header "": expected a name of letters, digits and dashes' },
      ["Content-length"] = { "5", 'header "Content-length": expected none, it is written by itself' },
      ["X-F"] = { {}, 'header "X-F": expected a string, found a table' },
      ["X-G: secret\n"] = { "", 'header "X-G:…": expected a name of letters, digits and dashes' },
      [1] = { "A: b", 'headers: expected names as keys, as in ["X-Name"] = "value", found the key 1' },
      Host = { " ", 'header "Host": expected a host, found nothing' },
    }) do
      asked({ url = it_is.url, headers = { [name] = case[1] } }, ("GET %s/: %s"):format(it_is.url, case[2]), "EINVAL")
    end
    asked({ url = it_is.url, if_none_match = "a\nb" },
      ('GET %s/: header "If-None-Match": byte 0x0a in its value, expected no line breaks or other control characters'):format(it_is.url),
      "EINVAL")
    assert.equal(0, #it_is.requests)
  end)
end)

describe("http.check", function()
  it("takes what can be asked, and asks nobody", function()
    local it_is = serving(answer("ok"))
    for _, options in ipairs({
      {}, { method = "HEAD", follow = false, max_body = 0 }, { max_line = 5, headers = { A = "b" } }, { bearer_file = "not there" },
    }) do
      options.url = it_is.url
      assert.is_true(http.check(options))
    end
    assert.is_true(http.check({ url = "HTTPS://Nowhere.invalid:8443" }))
    assert.equal(0, #it_is.requests)
  end)

  it("says what is wrong as request does, but does not raise where only values are", function()
    for message, options in pairs({
      ['option "url": expected a URL, found none'] = {},
      ['bad url "http://…@c/": bad hostname'] = { url = "http://a@b@c/" },
      ['bad url "http://127.0.0.1:99999/": port number was not a decimal number between 0 and 65535'] =
        { url = "http://127.0.0.1:99999/" },
      ['bad url "http://[::1/": bad IPv6 address'] = { url = "http://[::1/" },
      ['bad url "http://:80/": no host part in the URL'] = { url = "http://:80/" },
      ['bad url "127.0.0.1:8080/x": expected http or https, a host and a path, as in http://127.0.0.1:8080/nodes'] =
        { url = "127.0.0.1:8080/x" },
      ['option "method": expected one like GET, found "post"'] = { url = "http://h/", method = "post" },
      ['option "timeout": expected seconds above 0 and up to 1e6, found 0'] = { url = "http://h/", timeout = 0 },
      ['option "body": expected none beside method = "HEAD"'] = { url = "http://h/", method = "HEAD", body = "" },
      ["expected ca or ca_file, found both"] = { url = "http://h/", ca = "a", ca_file = "b" },
      ['GET http://h/: header "X App": expected a name of letters, digits and dashes'] =
        { url = "http://h/", headers = { ["X App"] = "a" } },
      ['GET http://h/: header "Authorization": expected none beside the option bearer_file'] =
        { url = "http://h/", headers = { Authorization = "a" }, bearer_file = "not there" },
    }) do
      assert.same({ nil, message, "EINVAL" }, { http.check(options) })
    end
  end)

  it("raises for unknown options and wrong types", function()
    local _, message = pcall(function() http.check({ url = "http://h/", urls = "x" }) end)
    assert.is_truthy(message:find('/http_spec.lua:%d+: unknown option "urls"'), message)
    _, message = pcall(function() http.check({ url = 5 }) end)
    assert.is_truthy(message:find('option "url": expected a string, found a number', 1, true), message)
  end)
end)

describe("http.request says", function()
  it("that nobody listens", function()
    local listener = assert(tcp.listen({ host = "127.0.0.1" }))
    local _, port = listener:address()
    listener:close()
    asked({ url = ("http://127.0.0.1:%d/"):format(port) }, ("GET http://127.0.0.1:%d/: connection refused"):format(port), "ECONNREFUSED")
  end)

  it("that there is no answer in time, and how far it came", function()
    local silent = serve(function(_, stream) stream:read() end)
    asked({ url = silent.url, timeout = 0.1 }, ("GET %s/: no answer within 0.1 s"):format(silent.url), "ETIMEDOUT")
    silent:await_closed()
    local half = serve(function(_, stream)
      stream:write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
      stream:read()
    end)
    asked({ url = half.url, timeout = 0.1 }, ("GET %s/: the answer was not complete within 0.1 s"):format(half.url), "ETIMEDOUT")
    local mute = assert(tcp.listen({ host = "127.0.0.1" }))
    local url = ("https://127.0.0.1:%d/"):format((select(2, mute:address())))
    asked({ url = url, timeout = 0.1 }, ("GET %s: no connection within 0.1 s"):format(url), "ETIMEDOUT")
    asked({ url = url, connect_timeout = 0.1 }, ("GET %s: no connection within 0.1 s"):format(url), "ETIMEDOUT")
    mute:close()
  end)

  it("that there is no connection in time", function()
    local full, streams = assert(tcp.listen({ host = "127.0.0.1", backlog = 1 })), {}
    local _, port = full:address()
    for stream in function() return (tcp.connect({ host = "127.0.0.1", port = port, timeout = 0.05 })) end do
      streams[#streams + 1] = stream
    end
    local url = ("http://127.0.0.1:%d/"):format(port)
    asked({ url = url, connect_timeout = 0.1 }, ("GET %s: no connection within 0.1 s"):format(url), "ETIMEDOUT")
    local results = { task.timeout(0.2, http.request, { url = url }) }
    assert.equal(("GET %s: no connection within 0.18 s"):format(url), results[2]) -- nine tenths
    full:close()
    for _, stream in ipairs(streams) do stream:close() end
  end)

  it("that bytes which come one by one come too slowly", function()
    local slow = serve(function(_, stream)
      for byte in answer(("x"):rep(1000)):gmatch(".") do
        if not stream:write(byte) then return end
        task.sleep(0.01)
      end
    end)
    local began = timer.now()
    local _, message, code = http.request({ url = slow.url, timeout = 0.3 })
    assert.equal("ETIMEDOUT", code)
    assert.is_truthy(message:find("within 0.3 s", 1, true), message)
    assert.is_true(timer.now() - began < 2)
  end)

  it("that the connection was closed too early", function()
    for text, reason in pairs({
      [""] = "the connection was closed without an answer",
      ["HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"] = "the connection was closed before the answer was complete",
      ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"] = "the connection was closed before the answer was complete",
    }) do
      local it_is = sending(text)
      asked({ url = it_is.url }, ("GET %s/: %s"):format(it_is.url, reason), "ECONNRESET")
    end
  end)

  it("that the answer is not HTTP", function()
    for text, reason in pairs({
      ["SSH-2.0-OpenSSH_9.2\r\n"] = "received HTTP/0.9 when not allowed",
      ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nhello"] = "illegal or missing hexadecimal sequence in chunked-encoding",
      ["HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"] =
        "cannot unpack the answer: incorrect header check",
      ["HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"] = "invalid Content-Length: value",
      ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 3\r\n\r\nhello"] =
        'the answer\'s Content-Length is "5, 3", expected one number',
      ["HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\nhello"] = 'the answer\'s Content-Length is "2x", expected one number',
      ["HTTP/9.9 200 OK\r\n\r\n"] = "unsupported HTTP version (9.9) in response",
      ["HTTP/1.1 abc OK\r\n\r\n"] = "unsupported HTTP version in response",
    }) do
      local it_is = sending(text)
      asked({ url = it_is.url }, ("GET %s/: %s"):format(it_is.url, reason), "EPROTO")
    end
  end)

  it("that a server which speaks no TLS speaks none", function()
    local listener = assert(tcp.listen({ host = "127.0.0.1" }))
    local url = ("https://127.0.0.1:%d/"):format((select(2, listener:address())))
    local asking = task.spawn(http.request, { url = url })
    local stream = listener:accept()
    stream:write(answer("", {}, "400 Bad Request"))
    local _, message, code = asking:wait()
    assert.is_truthy(message:find("^GET https://127.0.0.1:%d+/: no TLS: wrong version number$"), message)
    assert.equal("EPROTO", code)
    stream:close()
    listener:close()
  end)

  it("that the connection was reset, and not of another one that it was", function()
    local listener = assert(tcp.listen({ host = "127.0.0.1" }))
    local url = ("http://127.0.0.1:%d/"):format((select(2, listener:address())))
    local found = task.spawn(http.request, { url = url, method = "POST", body = ("y"):rep(10000000) })
    local stream = listener:accept()
    stream:read(10)
    stream:close() -- what it has not read makes the kernel reset the connection
    listener:close()
    local _, message, code = found:wait()
    assert.is_truthy(message == "POST " .. url .. ": connection reset by peer" or message == "POST " .. url .. ": broken pipe", message)
    assert.equal("ECONNRESET", code)
    local it_is = sending("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nhello")
    asked({ url = it_is.url }, ("GET %s/: illegal or missing hexadecimal sequence in chunked-encoding"):format(it_is.url), "EPROTO")
  end)

  it("that there are no descriptors left", function()
    local script = temporary_folder():write("full.lua", [[
      local http = require("engine.http")
      http.request({ url = "http://" })
      local files = {}
      repeat files[#files + 1] = io.open("/dev/null") until not io.open("/dev/null")
      print(http.request({ url = "http://127.0.0.1:9/" }))
    ]])
    local ended = assert(process.run({ "prlimit", "--nofile=64:64", Daemon.binary(), "run", script, timeout = 20 }))
    assert.equal("nil\tGET http://127.0.0.1:9/: too many open files\tEMFILE\n", ended.stdout)
  end)

  it("that an answer is too large, as soon as it knows", function()
    local endless = serve(function(_, stream)
      local ok = stream:write("HTTP/1.1 200 OK\r\n\r\n")
      while ok do ok = stream:write(("x"):rep(65536)) end
    end)
    asked({ url = endless.url }, ("GET %s/: the answer is larger than 8 MB"):format(endless.url), "EMSGSIZE")
    endless:await_closed()
    local told = sending("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
    asked({ url = told.url, max_body = 1000 }, ("GET %s/: the answer is larger than 1000 bytes"):format(told.url), "EMSGSIZE")
    local exact = serving(answer(("x"):rep(1000)))
    assert.equal(1000, #assert(http.request({ url = exact.url, max_body = 1000 })).body)
    asked({ url = exact.url, max_body = 999 }, ("GET %s/: the answer is larger than 999 bytes"):format(exact.url), "EMSGSIZE")
    asked({ url = exact.url, max_body = 0 }, ("GET %s/: the answer is larger than 0 bytes"):format(exact.url), "EMSGSIZE")
    assert.equal(200, assert(http.request({ url = serving(answer("")).url, max_body = 0 })).status)
  end)

  it("that it is too large when it is unpacked", function()
    local packed = assert(process.run({ "sh", "-c", "head -c 30000000 /dev/zero | gzip -9" })).stdout
    assert.is_true(#packed < 100000)
    local it_is = serving(answer(packed, { "Content-Encoding: gzip" }))
    asked({ url = it_is.url }, ("GET %s/: the answer is larger than 8 MB"):format(it_is.url), "EMSGSIZE")
    assert.equal(30000000, #assert(http.request({ url = it_is.url, max_body = 30000000 })).body)
    assert.is_truthy(it_is.requests[1].headers["accept-encoding"]:find("gzip", 1, true))
  end)

  it("that a head is too large, also one that never ends", function()
    local line = "X-Line: " .. ("x"):rep(1000) .. "\r\n"
    for _, start in ipairs({ "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" }) do
      local endless = serve(function(_, stream)
        local ok = stream:write(start)
        while ok do ok = stream:write(line) end
      end)
      asked({ url = endless.url }, ("GET %s/: the head of the answer is larger than 64 kB"):format(endless.url), "EMSGSIZE")
    end
    local early = serve(function(_, stream)
      local ok = true
      while ok do ok = stream:write("HTTP/1.1 103 Early Hints\r\n" .. line .. "\r\n") end
    end)
    asked({ url = early.url }, ("GET %s/: the head of the answer is larger than 64 kB"):format(early.url), "EMSGSIZE")
  end)
end)

describe("what a request has opened", function()
  -- The server's end sees it at once.
  it("is closed with its task, and with its scope", function()
    local silent = serve(function(_, stream) stream:read() end)
    local asking = task.spawn(http.request, { url = silent.url })
    eventually(function() return #silent.requests == 1 end)
    asking:cancel()
    silent:await_closed()
    local scope = scopes.new()
    local inside = scope:spawn(http.request, { url = silent.url })
    eventually(function() return #silent.requests == 2 end)
    scope:close()
    silent:await_closed()
    assert.same({ nil, "closed", "ECANCELED" }, { inside:wait() })
  end)

  it("is closed with its task while there is no connection yet", function()
    local mute = assert(tcp.listen({ host = "127.0.0.1" }))
    local url, before = ("https://127.0.0.1:%d/"):format((select(2, mute:address()))), open_descriptors()
    local asking = task.spawn(http.request, { url = url })
    local stream = mute:accept()
    asking:cancel()
    assert.equal(1, #opened_since(before)) -- the server's end
    stream:close()
    mute:close()
  end)

  it("is what it was after all these failures", function()
    local function fail_in_all_ways()
      for _, text in ipairs({ "", "SSH\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf" }) do
        local it_is = sending(text)
        assert.is_nil((http.request({ url = it_is.url })))
        it_is:stop()
        assert.is_nil((http.request({ url = it_is.url })))
      end
    end
    fail_in_all_ways()
    local before = open_descriptors()
    for _ = 1, 5 do fail_in_all_ways() end
    assert.same({}, opened_since(before))
  end)
end)

describe("http.stream", function()
  -- A server that sends what it is given to push.
  local function feeding(head)
    local feed = task.queue()
    local it_is = serve(function(_, stream)
      stream:write((head or "HTTP/1.1 200 OK") .. "\r\nX-Kind: feed\r\n\r\n")
      task.spawn(function()
        stream:read()
        feed:push("end")
      end)
      for text in function() return feed:pop() end do
        if text == "end" or not stream:write(text) then return nil end
      end
    end)
    return it_is, feed
  end

  it("gives the head at once, then chunks as they come", function()
    local it_is, feed = feeding()
    local response = assert(http.stream({ url = it_is.url }))
    assert.same({ 200, "feed" }, { response.status, response.headers["x-kind"] })
    local next_chunk = response:chunks()
    for _, text in ipairs({ "one", "two" }) do
      feed:push(text)
      assert.equal(text, next_chunk())
      assert.is_nil((response:result()))
    end
    feed:push("end")
    assert.is_nil(next_chunk())
    assert.is_nil(next_chunk())
    assert.is_true(response:result())
  end)

  it("gives lines, however they are cut", function()
    local it_is, feed = feeding()
    local response = assert(http.stream({ url = it_is.url }))
    for _, text in ipairs({ "a", "b\nc\r\n", "\n", "d", "e" }) do feed:push(text) end
    feed:push("end")
    local lines = {}
    for line in response:lines() do lines[#lines + 1] = line end
    assert.same({ "ab", "c", "", "de" }, lines)
    assert.is_true(response:result())
  end)

  it("loses nothing between two iterators", function()
    local it_is, feed = feeding()
    local response = assert(http.stream({ url = it_is.url }))
    feed:push("one\ntwo\nthree\nfo")
    assert.equal("one", response:lines()())
    assert.equal("two", response:lines()())
    local reading = task.spawn(function()
      local next_line = response:lines()
      return next_line(), next_line()
    end)
    task.sleep(0) -- it waits for the end of the line now
    reading:cancel()
    feed:push("ur\nfi")
    assert.equal("four", response:lines()())
    assert.equal("fi", response:chunks()())
    feed:push("ve")
    assert.equal("ve", response:chunks()())
    feed:push("end")
    assert.is_nil(response:lines()())
    assert.is_true(response:result())
  end)

  it("gives nothing of what it holds once it is closed", function()
    local it_is, feed = feeding()
    local response = assert(http.stream({ url = it_is.url }))
    assert.is_truthy(response.label:find("^http://127.0.0.1:%d+/$"), response.label)
    feed:push("one\ntwo\n")
    assert.equal("one", response:lines()())
    response:close()
    assert.same({ nil, "closed", "ECANCELED" }, { response:result() })
    assert.is_nil(response:lines()())
    assert.is_nil(response:chunks()())
    local whole = assert(http.stream({ url = serving(answer("all")).url }))
    for _ in whole:chunks() do end
    whole:close()
    assert.is_true(whole:result())
  end)

  it("follows redirects, and takes any status", function()
    local it_is = feeding("HTTP/1.1 500 Oops")
    local away = serving(answer("", { "Location: " .. it_is.url }, "307 There"))
    local response = assert(http.stream({ url = away.url }))
    assert.equal(500, response.status)
    response:close()
  end)

  it("says why it has ended", function()
    local cut = sending("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf\nx")
    local response = assert(http.stream({ url = cut.url }))
    local lines = {}
    for line in response:lines() do lines[#lines + 1] = line end
    assert.same({ "half" }, lines)
    assert.same({ nil, ("GET %s/: the connection was closed before the answer was complete"):format(cut.url), "ECONNRESET" },
      { response:result() })
  end)

  it("ends after silence, but not while something comes", function()
    local it_is, feed = feeding()
    local response = assert(http.stream({ url = it_is.url, timeout = 1, idle_timeout = 0.2 }))
    task.spawn(function()
      for i = 1, 6 do
        feed:push("line " .. i .. "\n")
        task.sleep(0.1)
      end
    end)
    local count, began = 0, timer.now()
    for _ in response:lines() do count = count + 1 end
    assert.equal(6, count)
    assert.is_true(timer.now() - began >= 0.65)
    assert.same({ nil, ("GET %s/: nothing came for 0.2 s"):format(it_is.url), "ETIMEDOUT" }, { response:result() })
    it_is:await_closed()
  end)

  it("waits for the head as long as it was told", function()
    local silent = serve(function(_, stream) stream:read() end)
    local response, message, code = http.stream({ url = silent.url, timeout = 0.1 })
    assert.is_nil(response)
    assert.same({ ("GET %s/: no answer within 0.1 s"):format(silent.url), "ETIMEDOUT" }, { message, code })
    silent:await_closed()
  end)

  it("takes no line that is too long", function()
    for _, text in ipairs({ ("x"):rep(101) .. "\n", ("x"):rep(200) }) do
      local it_is, feed = feeding()
      feed:push(("y"):rep(100) .. "\n" .. text)
      local response, lines = assert(http.stream({ url = it_is.url, max_line = 100 })), 0
      for _ in response:lines() do lines = lines + 1 end
      assert.equal(1, lines)
      assert.same({ nil, ("GET %s/: a line of more than 100 bytes came"):format(it_is.url), "EMSGSIZE" }, { response:result() })
    end
  end)

  it("lets the server wait while nobody reads, and forgets nothing", function()
    local size, count, written = 65536, 400, 0
    local it_is = serve(function(_, stream)
      stream:write("HTTP/1.1 200 OK\r\n\r\n")
      for _ = 1, count do
        if not stream:write(("x"):rep(size)) then return nil end
        written = written + 1
      end
    end)
    local response = assert(http.stream({ url = it_is.url, idle_timeout = 0.3 }))
    local before = -1
    while written ~= before do
      before = written
      task.sleep(0.5)
    end
    assert.is_true(written < count, written .. " blocks were taken")
    local total = 0
    for chunk in response:chunks() do total = total + #chunk end
    assert.equal(size * count, total)
    assert.is_true(response:result())
  end)

  it("has one reader at a time", function()
    local it_is = feeding()
    local response = assert(http.stream({ url = it_is.url }))
    local reading = task.spawn(function() return response:chunks()() end)
    task.sleep(0)
    local ok, message = pcall(response:chunks())
    assert.is_false(ok)
    assert.is_truthy(message:find("another task waits for this answer already", 1, true), message)
    reading:cancel()
    response:close()
  end)

  it("can be closed, also while it is read, and closes with its scope", function()
    local it_is = feeding()
    local response = assert(http.stream({ url = it_is.url }))
    local reading = task.spawn(function() return response:chunks()() == nil end)
    task.sleep(0)
    response:close()
    response:close()
    assert.is_true(reading:wait())
    assert.same({ nil, "closed", "ECANCELED" }, { response:result() })
    it_is:await_closed()
    local scope = scopes.new()
    response = scope:run(http.stream, { url = it_is.url })
    scope:close()
    it_is:await_closed()
    assert.is_nil(response:chunks()())
    assert.same({ nil, "closed", "ECANCELED" }, { response:result() })
  end)

  it("goes on when who read was cancelled", function()
    local it_is, feed = feeding()
    local response = assert(http.stream({ url = it_is.url }))
    local reading = task.spawn(function() return response:chunks()() end)
    task.sleep(0)
    reading:cancel()
    feed:push("still here")
    assert.equal("still here", response:chunks()())
    response:close()
  end)

  it("ends when nobody has it any more", function()
    local it_is = feeding()
    assert(http.stream({ url = it_is.url }))
    eventually(function()
      collectgarbage()
      return it_is.closed:count() > 0
    end)
  end)
end)

describe("the engine", function()
  it("ends while requests are under way and connections are kept", function()
    local it_is = serve(function(request, stream)
      if request.path == "/kept" then return answer("ok") end
      stream:read()
    end)
    local script = temporary_folder():write("leave.lua", [[
      local http, task = require("engine.http"), require("engine.task")
      assert(http.request({ url = arg[1] .. "/kept" }))
      task.spawn(http.request, { url = arg[1] .. "/never" })
      task.spawn(http.stream, { url = arg[1] .. "/never" })
      task.sleep(0.05)
      return 3
    ]])
    local ended = assert(process.run({ Daemon.binary(), "run", script, it_is.url, timeout = 20 }))
    assert.same({ 3, "", "" }, { ended.code, ended.stdout, ended.stderr })
    assert.equal(3, #it_is.requests)
  end)
end)
