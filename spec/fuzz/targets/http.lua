-- SPDX-License-Identifier: MIT
--- An HTTP server that answers with what it should not: a request ends well, with an answer as it must be or with a reason;
--- and so does the reading of where an answer sends us.
local http = require("engine.http")
local library = require("engine.http.library")
local mutate = require("fuzz.mutate")
local redirects = require("engine.http.redirects")
local server = require("support.http_server")
local urls = require("engine.http.url")
local chance, pick, random, several = mutate.chance, mutate.pick, math.random, mutate.several

local M = { waits = true, own_tasks = 2, own_handles = 1 } -- the server's of a connection that is just closing

local WHOLE, LINES, REDIRECT, KEPT = 1, 2, 4, 5 -- 3: in chunks
local LIMIT = 20000 -- bytes of a body, and of a line
local TIMEOUT = 0.3 -- seconds; the server closes the connection after its answer, unless it is to be kept:
local SHORT = 0.03 -- then what is not complete is waited for in vain
local MOST_KEPT = 4096 -- bytes of an answer, so that they come all at once
local CODES = { ECONNRESET = true, ECONNREFUSED = true, EMSGSIZE = true, EPROTO = true, ETIMEDOUT = true }

local WORDS = {
  "\r\n", "\r\n\r\n", "\n", ":", " ", "\t", "HTTP/1.1 ", "HTTP/2 ", "100", "101", "204", "304", "999", "Content-Length: ", "-1",
  "99999999999999999999", "Transfer-Encoding: chunked\r\n", "Content-Encoding: gzip\r\n", "Connection: close\r\n", "Upgrade: h2c\r\n",
  "Set-Cookie: a=b\r\n", "\0", "\255", "0\r\n\r\n", "ffffffffffffffff\r\n", ";", ",", "Trailer: X\r\n", "Location: /\r\n",
}
local LOCATIONS = {
  "/a", "//b.test/c", "http://127.0.0.1:1/x", "https://u:p@b.test/?q#f", "http://[::1]:80/", "file:///etc/passwd", "?q", "#f", "../..",
  "http://b.test:0/", "http://b.test:65536/", "gopher://b.test", "http:///", "javascript:x", "HTTP://B.TEST", "http://a b/", "\195\164",
}

-- With what these were packed: 20 lines, the same, and more than LIMIT.
local PACKED = {
  { "gzip", "\31\139\8\0\0\0\0\0\2\3\75\228\74\36\10\2\0\53\234\45\223\40\0\0\0" },
  { "deflate", "\120\218\75\228\74\36\10\2\0\174\236\8\93" },
  { "deflate",
    "\237\193\49\1\0\0\0\194\160\174\235\31\194\18\158\64\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\124\12" },
}

local function field()
  return pick({ "X-A: b", "x-a:c", "X-a:\td ", " goes on", "Date: today", "Set-Cookie: x=1, 2", "Server:", ":none", "none" }) .. "\r\n"
end

local function chunk()
  local size = random(0, 300)
  return ("%x\r\n%s\r\n"):format(size, ("b"):rep(size))
end

local function packed()
  local kind = pick(PACKED)
  local bytes = kind[2]:rep(chance(20) and random(50) or 1)
  if chance(70) then bytes = mutate.bytes(bytes, kind[2]) end
  return ("Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n"):format(kind[1], #bytes) .. bytes
end

local function body()
  if chance(20) then return packed() end
  local text = several(0, 6, function() return mutate.noise(random(0, 20)) .. pick({ "\n", "\r\n", "", ("l"):rep(random(0, 3000)) }) end)
  if chance(30) then return "Transfer-Encoding: chunked\r\n\r\n" .. several(0, 5, chunk) .. "0\r\n" .. several(0, 2, field) .. "\r\n" end
  if chance(60) then return ("Content-Length: %d\r\n\r\n"):format(chance(80) and #text or random(0, 5000)) .. text end
  return "\r\n" .. text
end

local function answer()
  local first = chance(10) and "HTTP/1.1 103 Early\r\n" .. several(0, 2, field) .. "\r\n" or ""
  local status = pick({ "200 OK", "404", "204 No Content", "304 Not Modified", "500 x", "302 Found\r\nLocation: /x" })
  return ("%sHTTP/1.%d %s\r\n"):format(first, random(0, 1), status) .. several(0, chance(5) and 400 or 4, field) .. body()
end

--- What is done, and the server's bytes.
function M.generate()
  local what = random(KEPT)
  local bytes = what == REDIRECT and pick(LOCATIONS) or answer()
  if chance(70) then bytes = mutate.text(bytes, what == REDIRECT and LOCATIONS or WORDS) end
  return string.char(what) .. bytes
end

local it_is, core, bytes, is_kept

local function script(request, stream)
  if request.path == "/next" then return server.answer("next") end
  stream:write(bytes)
  return is_kept and "" or nil
end

function M.open()
  core = assert(library.load())
  it_is = server.start(script)
end

function M.close() it_is:stop() end

local function check_failure(message, code)
  assert(type(message) == "string" and #message < 2000 and not message:find("%c"), "no message, or one that is not to be shown")
  assert(CODES[code], "a code that is not in the contract: " .. tostring(code))
end

local function check_head(found)
  assert(found.status % 1 == 0 and found.status >= 200 and found.status <= 999, "a status that is none")
  for name, value in next, found.headers do
    assert(type(name) == "string" and name ~= "" and name == name:lower() and not name:find("[\n:]"), "a name that is none")
    assert(type(value) == "string" and (name == "set-cookie" or not value:find("\n")), "a value that is none")
  end
end

local function ask(seconds)
  local found, message, code = http.request({ url = it_is.url, timeout = seconds, max_body = LIMIT, follow = false })
  if not found then return check_failure(message, code) end
  check_head(found)
  assert(#found.body <= LIMIT, "more than it may be")
end

local function stream(in_lines)
  local response, message, code = http.stream({
    url = it_is.url, timeout = TIMEOUT, idle_timeout = TIMEOUT, max_line = LIMIT, follow = false,
  })
  if not response then return check_failure(message, code) end
  check_head(response)
  for part in response[in_lines and "lines" or "chunks"](response) do
    assert(not in_lines or #part <= LIMIT and not part:find("\n"), "a line that is none")
  end
  local ok
  ok, message, code = response:result()
  response:close()
  if not ok then check_failure(message, code) end
end

local function redirect(location)
  local asked = { url = urls.parse(core, "https://a.test:8443/x/y?z"), method = "GET", fields = {}, has_identity = true }
  local next_one, message, code = redirects.next(core, asked, 302, location)
  if not next_one then return check_failure(message, code) end
  assert(next_one.url.scheme == "https", "without TLS")
  assert(next_one.url.origin == asked.url.origin == next_one.has_identity, "an identity for another origin")
  assert(not next_one.url.label:find("^%a+://[^/]*@"), "a label with user info")
end

-- Whatever came, the next request gets its own answer.
local function ask_twice()
  ask(SHORT)
  local found, message = http.request({ url = it_is.url .. "/next", timeout = TIMEOUT })
  assert(found and found.body == "next", message or "another's answer")
end

-- What the server remembers of connections that have ended.
local function forget()
  it_is.requests = {}
  for i = #it_is.tasks, 2, -1 do
    if it_is.tasks[i]:is_finished() then
      table.remove(it_is.tasks, i)
      table.remove(it_is.streams, i - 1)
    end
  end
end

function M.run(input)
  if #input < 1 then return end
  local what = input:byte(1)
  bytes, is_kept = input:sub(2), what == KEPT
  if what == REDIRECT then return redirect(bytes) end
  if is_kept then
    bytes = bytes:sub(1, MOST_KEPT)
    ask_twice()
  elseif what == WHOLE then
    ask(TIMEOUT)
  else
    stream(what == LINES)
  end
  forget()
end

return M
