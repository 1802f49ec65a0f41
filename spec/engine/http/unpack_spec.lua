-- SPDX-License-Identifier: MIT
-- Packed answers: unpacked whole, or refused with the reason. What packs them here is Python's zlib and gzip(1).
local account = require("engine.account")
local http = require("engine.http")
local library = require("engine.http.library")
local process = require("engine.process")
local scopes = require("engine.scope")
local server = require("support.http_server")

local answer = server.answer
local LINES = {}
for i = 1, 1000 do LINES[i] = ("app@10.0.%d.%d\n"):format(i / 256, i % 256) end
local TEXT = table.concat(LINES)

-- zlib.compressobj's wbits
local GZIP, WRAPPED, RAW = 31, 15, -15

local packed = {}

local function pack(text, wbits)
  local key = wbits .. text
  if packed[key] then return packed[key] end
  local script = "import sys, zlib; c = zlib.compressobj(9, zlib.DEFLATED, int(sys.argv[1])); "
    .. "sys.stdout.buffer.write(c.compress(sys.stdin.buffer.read()) + c.flush())"
  local made = assert(process.run({ "python3", "-c", script, tostring(wbits), stdin = text }))
  assert(made.code == 0, made.stderr)
  packed[key] = made.stdout
  return made.stdout
end

local function change(bytes, place)
  return bytes:sub(1, place - 1) .. string.char(bit.bxor(bytes:byte(place), 0x55)) .. bytes:sub(place + 1)
end

describe("a packed answer", function()
  local it_is, sent

  before_each(function()
    it_is = server.start(function() return sent end)
  end)

  after_each(function() it_is:stop() end)

  local function ask(body, coding, options)
    sent = answer(body, { "Content-Encoding: " .. coding }, options and options.status)
    local given = { url = it_is.url, max_body = options and options.max_body, headers = options and options.headers }
    return http.request(given)
  end

  local function refused(reason, code, ...)
    local found, message, found_code = ask(...)
    assert.same({ nil, ("GET %s/: %s"):format(it_is.url, reason), code }, { found, message, found_code })
  end

  it("is unpacked from each format", function()
    local gzip = assert(process.run({ "gzip", "-c", stdin = TEXT })).stdout
    for _, pair in ipairs({
      { "gzip", gzip }, { "X-GZip", pack(TEXT, GZIP) }, { "deflate", pack(TEXT, WRAPPED) }, { "deflate", pack(TEXT, RAW) },
      { "identity", TEXT }, { "none", TEXT }, { ", identity ,, gzip", gzip }, { "gzip, gzip", pack(gzip, GZIP) },
      { "gzip, deflate", pack(gzip, WRAPPED) }, { "deflate\r\nContent-Encoding: gzip", pack(pack(TEXT, RAW), GZIP) },
      { "gzip, gzip, gzip", pack(pack(gzip, GZIP), GZIP) },
    }) do
      local found = assert(ask(pair[2], pair[1]))
      assert.is_true(found.body == TEXT, pair[1])
      assert.equal((pair[1]:gsub("\r\n.-:", ",")), found.headers["content-encoding"])
      assert.equal("gzip, deflate", it_is.requests[#it_is.requests].headers["accept-encoding"])
    end
  end)

  it("may be of several members, which RFC 1952 allows", function()
    local empty = pack("", GZIP)
    for text, bytes in pairs({
      ["one, two"] = pack("one, ", GZIP) .. pack("two", GZIP),
      [TEXT .. TEXT] = pack(TEXT, GZIP) .. empty .. pack(TEXT, GZIP) .. empty,
      [""] = empty .. empty,
    }) do
      assert.is_true(assert(ask(bytes, "gzip")).body == text)
    end
  end)

  it("is refused when it ends too early, wherever that is", function()
    local short = "cannot unpack the answer: it is cut short"
    for coding, bytes in pairs({ gzip = pack(TEXT, GZIP), deflate = pack(TEXT, WRAPPED) }) do
      for _, size in ipairs({ 1, 2, 5, 10, 100, math.floor(#bytes / 2), #bytes - 8, #bytes - 4, #bytes - 1 }) do
        refused(short, "EPROTO", bytes:sub(1, size), coding)
      end
    end
    local member = pack("one", GZIP)
    for _, size in ipairs({ 1, 2, 9, #member - 1 }) do refused(short, "EPROTO", member .. member:sub(1, size), "gzip") end
    refused(short, "EPROTO", pack(pack(TEXT, GZIP):sub(1, -2), GZIP), "gzip, gzip")
  end)

  it("is refused when it is damaged, with zlib's reason", function()
    local gzip, wrapped = pack(TEXT, GZIP), pack(TEXT, WRAPPED)
    for reason, pair in pairs({
      ["incorrect header check"] = { "hello", "gzip" },
      ["unknown compression method"] = { change(gzip, 3), "gzip" },
      ["incorrect data check"] = { change(gzip, #gzip - 7), "gzip" },
      ["incorrect length check"] = { change(gzip, #gzip), "gzip" },
      ["invalid stored block lengths"] = { "plain text", "deflate" },
      ["need dictionary"] = { "\120\187\0\0\0\1" .. wrapped:sub(3), "deflate" },
      ["there are bytes after its end"] = { gzip .. "\0", "gzip" },
    }) do
      refused("cannot unpack the answer: " .. reason, "EPROTO", unpack(pair))
    end
    for _, coding in ipairs({ "deflate", "gzip" }) do
      refused("cannot unpack the answer: there are bytes after its end", "EPROTO", (coding == "gzip" and gzip or wrapped) .. "more", coding)
    end
    refused("cannot unpack the answer: there are bytes after its end", "EPROTO", pack(TEXT, RAW) .. gzip, "deflate")
    refused("cannot unpack the answer: incorrect data check", "EPROTO", change(wrapped, #wrapped), "deflate")
  end)

  it("is refused when it is packed with anything else, or too often", function()
    refused('packed with "br", expected gzip or deflate', "EPROTO", "x", "br")
    refused('packed with "Zstd", expected gzip or deflate', "EPROTO", "x", "gzip, Zstd")
    refused(('packed with "%s", expected gzip or deflate'):format(("z"):rep(60)), "EPROTO", "x", ("z"):rep(1000))
    refused("packed more than 3 times", "EPROTO", "x", "gzip, gzip, gzip, gzip")
  end)

  it("is unpacked to max_body, and not to more", function()
    for coding, wbits in pairs({ gzip = GZIP, deflate = RAW }) do
      local bytes = pack(TEXT, wbits)
      assert.equal(#TEXT, #assert(ask(bytes, coding, { max_body = #TEXT })).body)
      refused(("the answer is larger than %d bytes"):format(#TEXT - 1), "EMSGSIZE", bytes, coding, { max_body = #TEXT - 1 })
    end
    local bytes = pack(("x"):rep(4097), GZIP) -- one more than there is room for at first
    assert.equal(4097, #assert(ask(bytes, "gzip", { max_body = 4097 })).body)
    refused("the answer is larger than 4096 bytes", "EMSGSIZE", bytes, "gzip", { max_body = 4096 })
    refused("the answer is larger than 2 MB", "EMSGSIZE", pack(pack(("\0"):rep(3e6), GZIP), GZIP), "gzip, gzip", { max_body = 2 ^ 21 })
  end)

  it("may have no body", function()
    assert.same({ 200, "" }, { assert(ask("", "gzip")).status, ask("", "br").body })
    for _, status in ipairs({ "204 No Content", "304 Not Modified" }) do
      sent = ("HTTP/1.1 %s\r\nContent-Encoding: gzip\r\n\r\n"):format(status)
      assert.equal("", assert(http.request({ url = it_is.url })).body)
    end
    sent = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100\r\n\r\n"
    assert.equal("", assert(http.request({ url = it_is.url, method = "HEAD" })).body)
    assert.is_nil(it_is.requests[#it_is.requests].headers["accept-encoding"])
  end)

  it("is unpacked as well when it was asked for in other words", function()
    local bytes = pack(TEXT, GZIP)
    for _, words in ipairs({ "gzip", "identity", "" }) do
      assert.is_true(assert(ask(bytes, "gzip", { headers = { ["accept-ENCODING"] = words } })).body == TEXT)
      local _, count = it_is.requests[#it_is.requests].head:lower():gsub("accept%-encoding:", "")
      assert.same({ words, 1 }, { it_is.requests[#it_is.requests].headers["accept-encoding"], count })
    end
  end)

  it("is not asked for by a stream, nor unpacked", function()
    sent = answer("hello", { "Content-Encoding: gzip" })
    local response = assert(http.stream({ url = it_is.url }))
    assert.equal("hello", response:chunks()())
    response:close()
    assert.is_nil(it_is.requests[1].headers["accept-encoding"])
  end)

  it("of a redirect is not looked at", function()
    it_is.script = function(request)
      if request.path == "/there" then return answer("there") end
      return answer("hello", { "Content-Encoding: gzip", "Location: /there" }, "302 Found")
    end
    assert.equal("there", assert(http.request({ url = it_is.url })).body)
  end)

  it("is charged to who asked, and refused where its memory ends", function()
    local small = account.new({ label = "small", memory_limit = 1000000 })
    local scope = scopes.new("small", nil, small)
    sent = answer(pack(("\0"):rep(7000000), GZIP), { "Content-Encoding: gzip" })
    for _ = 1, 5 do
      local _, found, message, code = scope:spawn(http.request, { url = it_is.url }):join()
      assert.same({ nil, ("GET %s/: not enough memory"):format(it_is.url), "ENOMEM" }, { found, message, code })
      assert.is_true(small:stats().bytes < 2000000, small:stats().bytes .. " bytes")
    end
    sent = answer(pack(("\0"):rep(1000000), GZIP), { "Content-Encoding: gzip" }) -- room for one, not for Lua's string too
    collectgarbage() -- else that is there already
    for _ = 1, 5 do
      local ok, message = scope:spawn(http.request, { url = it_is.url }):join()
      assert.is_false(ok)
      assert.matches("not enough memory", tostring(message), nil, true)
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(small:stats().bytes < 100000, small:stats().bytes .. " bytes")
    scope:close()
  end)
end)

describe("what unpacks", function()
  local core

  before_each(function() core = assert(library.load()) end)

  it("gives all or nothing, wherever it ends", function()
    for _, wbits in ipairs({ GZIP, WRAPPED, RAW }) do
      local bytes, text = pack(TEXT:sub(1, 3000), wbits), TEXT:sub(1, 3000)
      assert.is_true(core.unpack(bytes, 3000, wbits == GZIP) == text)
      for size = 0, #bytes - 1 do
        local found, result, reason = core.unpack(bytes:sub(1, size), 3000, wbits == GZIP)
        assert.same({ nil, 61, "it is cut short" }, { found, result, reason })
      end
    end
  end)

  it("gives nothing for what has another byte in it, behind a head of gzip's", function()
    local bytes = pack(TEXT:sub(1, 500), GZIP)
    for place = 11, #bytes do assert.is_nil(core.unpack(change(bytes, place), 2 ^ 20, true)) end
  end)

  it("is done soon with many members that hold nothing", function()
    local began, bytes = os.clock(), pack("", GZIP):rep(200000)
    assert.equal("", core.unpack(bytes, 10, true))
    assert.is_true(os.clock() - began < 1, os.clock() - began)
  end)
end)
