-- SPDX-License-Identifier: MIT
local Folder = require("support.folder")
local Server = require("support.http_server")
local Source = require("support.source")
local http = require("engine.http")
local process = require("engine.process")
local provider = require("providers.http")
local task = require("engine.task")
local timer = require("engine.timer")

describe("provider http", function()
  local server, source

  after_each(function()
    if source then source:stop() end
    if server then server:stop() end
    server, source = nil, nil
  end)

  local function serve(script) server = Server.start(script) end

  -- Always the same answer.
  local function say(...)
    local answer = Server.answer(...)
    serve(function() return answer end)
  end

  local function start(options)
    local given = { url = server.url .. (options.path or "/nodes") }
    for key, value in pairs(options) do given[key] = value end
    given.path = nil
    source = Source.start(provider, given)
  end

  local function ask(options, seconds)
    start(options or {})
    return source:ask(seconds)
  end

  -- The message, the server's place apart.
  local function fail(options, seconds)
    local list, message = ask(options, seconds)
    assert.is_nil(list)
    return (message:gsub("http://127.0.0.1:%d+", "URL"))
  end

  it("finds the nodes of a list in JSON, in lines, and as Prometheus has them", function()
    for body, options in pairs({
      ['["app@10.0.0.1:80"]'] = {},
      ['{"items":[{"status":{"podIP":"10.0.0.1:80"}},{"status":{"phase":"Pending"}}]}'] =
        { select = "items[].status.podIP", app_name = "app" },
      ['{"list":"app@10.0.0.1:80"}'] = { select = function(document) return { document.list } end },
      ["# ours\napp@10.0.0.1:80\n"] = { format = "lines" },
      ['[{"targets":["10.0.0.1:80"],"labels":{"a":"b"}}]'] = { format = "prometheus", app_name = "app" },
    }) do
      say(body)
      assert.are.same({ "app@10.0.0.1:80" }, { ask(options) })
      source:stop()
      server:stop()
    end
  end)

  it("finds nobody, for certain, in an empty list", function()
    say("[]")
    assert.are.same({ "" }, { ask() })
  end)

  it("asks as it is told to", function()
    say("[]")
    ask({ method = "POST", body = "which", headers = { ["X-Token"] = "secret", ["x-number"] = 5 } })
    local request = server.requests[1]
    assert.are.same({ "POST", "/nodes", "which", "secret", "5", "application/json" }, {
      request.method, request.path, request.body, request.headers["x-token"], request.headers["x-number"], request.headers.accept,
    })
    source:stop()
    ask({ headers = { accept = "text/plain" } })
    assert.are.equal("text/plain", server.requests[2].headers.accept)
  end)

  it("reads its token anew each time", function()
    local folder = Folder.new()
    say("[]")
    folder:write("token", "one\n")
    start({ bearer_file = folder.path .. "/token" })
    source:ask()
    folder:write("token", "two\n")
    source:ask()
    assert.are.same({ "Bearer one", "Bearer two" },
      { server.requests[1].headers.authorization, server.requests[2].headers.authorization })
    folder:remove()
    assert.is_truthy(select(2, source:ask()):find("token: no such file or directory", 1, true))
  end)

  it("asks by a Unix socket", function()
    local folder = Folder.new()
    server = Server.start(function() return Server.answer('["a@h"]') end, { path = folder.path .. "/api" })
    server.url = "http://api"
    assert.are.equal("a@h", (ask({ unix_socket = folder.path .. "/api" })))
    assert.are.equal("api", server.requests[1].headers.host)
    folder:remove()
  end)

  it("keeps the list while the server says by its ETag that it has not changed", function()
    local version, asked = 1, nil
    serve(function(request)
      asked = request.headers["if-none-match"] or "none"
      local tag = ('"v%d"'):format(version)
      if asked == tag then return "HTTP/1.1 304 Not Modified\r\nETag: " .. tag .. "\r\n\r\n" end
      return Server.answer(('["v%d@h"]'):format(version), { "ETag: " .. tag })
    end)
    start({})
    assert.are.same({ "v1@h", "none" }, { source:ask(), asked })
    assert.are.same({ "v1@h", '"v1"' }, { source:ask(), asked })
    version = 2
    assert.are.same({ "v2@h", '"v1"' }, { source:ask(), asked })
    assert.are.same({ "v2@h", '"v2"' }, { source:ask(), asked })
  end)

  it("asks for the whole where a tag cannot be sent back, or could mean anything", function()
    local tag, asked = nil, {}
    serve(function(request)
      asked[#asked + 1] = request.headers["if-none-match"] or "none"
      return Server.answer('["a@h"]', { "ETag: " .. tag })
    end)
    start({})
    for _, each in ipairs({ '"a\1b"', "", "*", "a, b", "bare", '"good"' }) do
      tag = each
      assert.are.equal("a@h", (source:ask()))
    end
    assert.are.equal("a@h", (source:ask()))
    assert.are.same({ "none", "none", "none", "none", "none", "bare", '"good"' }, asked)
  end)

  it("takes no other server's word for it that its list has not changed", function()
    local function server_of(name)
      return Server.start(function(request)
        if request.headers["if-none-match"] == '"5"' then return 'HTTP/1.1 304 Not Modified\r\nETag: "5"\r\n\r\n' end
        return Server.answer(('["%s@h"]'):format(name), { 'ETag: "5"' })
      end)
    end
    local first, second = server_of("a"), server_of("b")
    local leader = first
    serve(function() return Server.answer("", { "Location: " .. leader.url }, "307 Temporary Redirect") end)
    start({})
    assert.are.equal("a@h", (source:ask()))
    assert.are.equal("a@h", (source:ask()))
    assert.are.equal(2, #first.requests)
    leader = second
    assert.are.equal("b@h", (source:ask()))
    assert.are.equal("b@h", (source:ask()))
    first:stop()
    second:stop()
  end)

  it("asks for the whole each time where it does not ask by GET", function()
    local tags = {}
    serve(function(request)
      tags[#tags + 1] = request.headers["if-none-match"] or "none"
      return Server.answer('["a@h"]', { 'ETag: "v1"' })
    end)
    start({ method = "POST", body = "which" })
    source:ask()
    assert.are.equal("a@h", (source:ask()))
    assert.are.same({ "none", "none" }, tags)
  end)

  it("hands on all that it was told", function()
    say("[]")
    local given = {
      method = "PUT", headers = { ["X-A"] = "b" }, body = "c", timeout = 3, connect_timeout = 2, max_body = 1000, ca_file = "/ca",
      client_cert = "/cert", client_key = "/key", verify = false, unix_socket = "/socket", bearer_file = "/token", follow = 2,
    }
    local request, asked = http.request, nil
    finally(function() http.request = request end)
    http.request = function(options)
      asked = options
      return { status = 200, headers = {}, body = "[]", label = "x" }
    end
    assert.are.equal("", (ask(given)))
    given.url, given.headers.Accept = server.url .. "/nodes", "application/json"
    assert.are.same(given, asked)
    source:stop()
    ask({ ca = "PEM" })
    assert.are.equal("PEM", asked.ca)
    local of_formats = { format = true, app_name = true, select = true, ca = true }
    for name in pairs(provider.options) do assert.is_truthy(of_formats[name] or given[name] ~= nil, name) end
  end)

  it("asks for the whole again after an answer that it could not read", function()
    local bodies = { '["a@h"]', "[", '["b@h"]' }
    local tags = {}
    serve(function(request)
      tags[#tags + 1] = request.headers["if-none-match"] or "none"
      return Server.answer(table.remove(bodies, 1), { 'ETag: "same"' })
    end)
    start({})
    assert.are.equal("a@h", (source:ask()))
    assert.is_nil((source:ask()))
    assert.are.equal("b@h", (source:ask()))
    assert.are.same({ "none", '"same"', "none" }, tags)
  end)

  it("cannot find out where the status is no success, and says what the server says", function()
    for status, expected in pairs({
      ["404 Not Found"] = "URL/nodes?…: status 404: no such list", ["500 Internal Server Error"] = "URL/nodes?…: status 500: no such list",
      ["503 Service Unavailable"] = "URL/nodes?…: status 503: no such list", ["304 Not Modified"] = "URL/nodes?…: status 304",
      ["401 Unauthorized"] = "URL/nodes?…: status 401: no such list",
    }) do
      say(not status:find("304") and "no such list\nsecond line" or nil, nil, status)
      assert.are.equal(expected, fail({ path = "/nodes?token=secret" }))
      source:stop()
      server:stop()
    end
  end)

  it("says of a page only its title", function()
    for body, expected in pairs({
      ["<html>\r\n<head><TITLE class='x'>\n 400  No required\tSSL certificate was sent </title>"] =
        ": 400 No required SSL certificate was sent",
      ["<html>\n<body>no title</body>"] = "", ["<title>never ends"] = "", ["<?xml version='1.0'?><Error/>"] = "",
      ["<title>" .. ("x"):rep(300) .. "</title>"] = ": " .. ("x"):rep(200),
    }) do
      say(body, { "Content-Type: text/html" }, "400 Bad Request")
      assert.are.equal("URL/nodes: status 400" .. expected, fail())
      source:stop()
      server:stop()
    end
    say("broken: <title>not a title</title>", { "Content-Type: text/plain" }, "400 Bad Request")
    assert.are.equal("URL/nodes: status 400: broken: <title>not a title</title>", fail())
  end)

  it("cannot find out from an answer that is empty or a part, whatever the format", function()
    for _, format in ipairs({ "lines", "hosts", "json", "prometheus", "erlang" }) do
      for status, expected in pairs({
        ["200 OK"] = "the answer is empty (status 200)", ["204 No Content"] = "the answer is empty (status 204)",
        ["206 Partial Content"] = "status 206, expected 200", ["202 Accepted"] = "status 202, expected 200",
      }) do
        local text = Server.answer(status:find("^20[26]") and "[]" or "", nil, status)
        serve(function() return status:find("204") and "HTTP/1.1 204 No Content\r\n\r\n" or text end)
        assert.are.equal("URL/nodes: " .. expected, fail({ format = format, app_name = "app" }))
        source:stop()
        server:stop()
      end
    end
    say('["a@h"]', nil, "203 Non-Authoritative Information")
    assert.are.equal("a@h", (ask()))
  end)

  it("cannot find out from a packed list that is cut short", function()
    local packed = assert(process.run({ "gzip", "-c", stdin = ("app@10.0.0.1\n"):rep(100) })).stdout
    say(packed:sub(1, -9), { "Content-Encoding: gzip" }) -- all of the list, but not its sum
    assert.are.equal("GET URL/nodes: cannot unpack the answer: it is cut short", fail({ format = "lines" }))
  end)

  it("names in a message where it was sent to", function()
    serve(function(request)
      if request.path == "/there" then return Server.answer("gone", nil, "410 Gone") end
      return Server.answer("", { "Location: /there" }, "302 Found")
    end)
    assert.are.equal("URL/there: status 410: gone", fail())
  end)

  it("cannot find out from what is no list", function()
    for body, expected in pairs({
      ["<html>"] = 'line 1, column 1: expected a value, found "<"',
      [("["):rep(10000)] = "line 1, column 101: nested deeper than 100 levels",
      ['{"items":5}'] = "items: expected a list, found a number (5)",
      ['{"other":[]}'] = "items: expected a list, found nothing",
      ['{"items":["10.0.0.1"]}'] = 'items[1]: expected a node name, found the host "10.0.0.1": set app_name, which makes '
        .. "app_name@10.0.0.1 of it",
    }) do
      say(body)
      assert.are.equal("URL/nodes: " .. expected, fail({ select = "items" }))
      source:stop()
      server:stop()
    end
  end)

  it("marks as a part a list of which no element has what is selected", function()
    say('{"items":[{"ip":"10.0.0.1"},{}]}')
    local list, message = ask({ select = "items[].address", app_name = "app" })
    assert.are.equal("", list)
    assert.is_truthy(message:find("none of 2 elements has what select names: items[].address", 1, true), message)
  end)

  it("cannot find out from who is not there, hangs, sends too much, or sends it elsewhere for ever", function()
    serve(function(request)
      if request.path == "/hang" then task.sleep(60) end
      if request.path == "/drip" then return "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[" end
      if request.path == "/much" then return Server.answer((" "):rep(10000)) end
      if request.path == "/file" then return Server.answer("", { "Location: file:///etc/passwd" }, "302 Found") end
      return Server.answer("", { "Location: /loop" }, "302 Found")
    end)
    local started = timer.now()
    for path, expected in pairs({
      ["/hang"] = "no answer within 0.3 s", ["/drip"] = "within 0.3 s", ["/much"] = "larger than 5000 bytes",
      ["/file"] = "redirect", ["/loop"] = "more than 5 redirects",
    }) do
      local message = fail({ path = path, timeout = 0.3, max_body = 5000 })
      assert.is_truthy(message:find(expected, 1, true), message)
      source:stop()
    end
    assert.is_true(timer.now() - started < 10)
    server:stop()
    assert.are.equal("GET URL/gone: connection refused", fail({ path = "/gone" }))
  end)

  it("takes a URL whose scheme is in capitals", function()
    say('["a@h"]')
    server.url = server.url:gsub("^http", "HTTP")
    assert.are.equal("a@h", (ask()))
  end)

  it("says so itself before the poll ends", function()
    serve(function() task.sleep(60) end)
    local message = fail({}, 0.5)
    assert.is_truthy(message:find("no answer within 0.45 s", 1, true), message)
  end)

  it("refuses what cannot be asked, and options that do not go together", function()
    for message, options in pairs({
      ['bad url "ftp://h/": expected http or https, found "ftp"'] = { url = "ftp://h/" },
      ['bad url "http://h/a b": byte 0x20 at 11, expected it percent-encoded'] = { url = "http://h/a b" },
      ['bad url "http://h:99999/": port number was not a decimal number between 0 and 65535'] = { url = "http://h:99999/" },
      ['bad url "http://…@h:x/": port number was not a decimal number between 0 and 65535'] = { url = "http://joe:secret@h:x/" },
      ['option "method": expected one like GET, found "post"'] = { url = "http://h/", method = "post" },
      ['GET http://h/: header "X App": expected a name of letters, digits and dashes'] =
        { url = "http://h/", headers = { ["X App"] = "a" } },
      ['GET http://h/: header "A": byte 0x0d in its value, expected no line breaks or other control characters'] =
        { url = "http://h/", headers = { A = "b\r\nC: d" } },
      ['GET http://h/: headers: expected names as keys, as in ["X-Name"] = "value", found the key 1'] =
        { url = "http://h/", headers = { "A: b" } },
      ['header "If-None-Match": expected none, it is sent by itself'] = { url = "http://h/", headers = { ["if-none-match"] = "x" } },
      ['GET http://h/: header "Content-Length": expected none, it is written by itself'] =
        { url = "http://h/", headers = { ["Content-Length"] = 5 } },
      ["expected ca or ca_file, found both"] = { url = "http://h/", ca = "x", ca_file = "y" },
      ['option "client_key": expected client_cert beside it'] = { url = "http://h/", client_key = "y" },
      ['format = "prometheus" lists hosts: app_name is required, the part before the "@"'] =
        { url = "http://h/", format = "prometheus" },
      ["options: url: expected a string of at least 1 byte, found nothing: it is required"] = {},
    }) do
      local ok, found = pcall(Source.options, provider, options)
      assert.are.same({ false, message }, { ok, found })
    end
  end)
end)
