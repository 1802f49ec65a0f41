-- SPDX-License-Identifier: MIT
local etf = require("peerage.erlang.etf")
local garbage = require("support.garbage")

local atom, list, tuple = etf.atom, etf.list, etf.tuple
local NODE = "119 3 97 64 98" -- a@b

-- "104 1 x'ok'": numbers are bytes.
local function bytes(text)
  return (text:gsub("(%d+)%s*", function(number) return string.char(number) end))
end

local function spelled(data) return table.concat({ data:byte(1, -1) }, " ") end

local function decoded(data, ...)
  local term, next_at = etf.decode(data, ...)
  assert(term ~= nil, next_at)
  return term, next_at
end

local function repeated(count, fn)
  local out = {}
  for i = 1, count do out[i] = fn(i) end
  return out
end

-- Each in the one form that OTP 25 writes.
local WRITTEN = {
  { "zero", 0, "97 0" },
  { "the greatest byte", 255, "97 255" },
  { "an integer above a byte", 256, "98 0 0 1 0" },
  { "a negative integer", -1, "98 255 255 255 255" },
  { "the least 32-bit integer", -2 ^ 31, "98 128 0 0 0" },
  { "the first integer above 32 bits", 2 ^ 31, "110 4 0 0 0 0 128" },
  { "the first integer below 32 bits", -2 ^ 31 - 1, "110 4 1 1 0 0 128" },
  { "the greatest integer a Lua number holds", 2 ^ 53 - 1, "110 7 0 255 255 255 255 255 255 31" },
  { "2^53", etf.big(0, "\0\0\0\0\0\0\32"), "110 7 0 0 0 0 0 0 0 32" },
  { "-2^64", etf.big(1, ("\0"):rep(8) .. "\1"), "110 9 1 0 0 0 0 0 0 0 0 1" },
  { "a float", etf.float(1.5), "70 63 248 0 0 0 0 0 0" },
  { "minus zero", etf.float(-0.0), "70 128 0 0 0 0 0 0 0" },
  { "the least subnormal float", etf.float(2 ^ -1074), "70 0 0 0 0 0 0 0 1" },
  { "the greatest subnormal float", etf.float(2 ^ -1022 - 2 ^ -1074), "70 0 15 255 255 255 255 255 255" },
  { "the least normal float", etf.float(2 ^ -1022), "70 0 16 0 0 0 0 0 0" },
  { "the greatest float", etf.float(1.7976931348623157e308), "70 127 239 255 255 255 255 255 255" },
  { "an atom", atom("ok"), "119 2 111 107" },
  { "an atom of two-byte characters", atom("\195\169"), "119 2 195 169" },
  { "an atom of the first and the last character of two bytes", atom("\194\128\223\191"), "119 4 194 128 223 191" },
  { "an atom of the first and the last character of three bytes", atom("\224\160\128\239\191\191"), "119 6 224 160 128 239 191 191" },
  { "an atom of the characters around the surrogates", atom("\237\159\191\238\128\128"), "119 6 237 159 191 238 128 128" },
  { "an atom of the first and the last character of four bytes", atom("\240\144\128\128\244\143\191\191"),
    "119 8 240 144 128 128 244 143 191 191" },
  { "an atom of a character in the midst of those of four bytes", atom("\241\128\128\128"), "119 4 241 128 128 128" },
  { "the empty atom", atom(""), "119 0" },
  { "a binary", "hi", "109 0 0 0 2 104 105" },
  { "a bit string", etf.bits("\1\255", 3), "77 0 0 0 2 3 1 224" },
  { "the empty tuple", tuple(), "104 0" },
  { "a tuple", tuple(1, "", list({})), "104 3 97 1 109 0 0 0 0 106" },
  { "the empty list", list({}), "106" },
  { "a list of bytes", list({ 1, 255 }), "107 0 2 1 255" },
  { "a list of an integer above a byte", list({ 256 }), "108 0 0 0 1 98 0 0 1 0 106" },
  { "an improper list of bytes", list({ 1 }, 2), "108 0 0 0 1 97 1 97 2" },
  { "a map", etf.map({ { "b", 2 }, { "a", 1 } }), "116 0 0 0 2 109 0 0 0 1 98 97 2 109 0 0 0 1 97 97 1" },
  { "a map of terms of one byte", etf.map({ { list({}), list({}) } }), "116 0 0 0 1 106 106" },
  { "a pid", etf.pid(atom("a@b"), 258, 1, 2 ^ 32 - 1), "88 " .. NODE .. " 0 0 1 2 0 0 0 1 255 255 255 255" },
  { "a reference", etf.reference(atom("a@b"), 7, { 1, 2 ^ 31 }), "90 0 2 " .. NODE .. " 0 0 0 7 0 0 0 1 128 0 0 0" },
  { "a reference of five ids", etf.reference(atom("a@b"), 7, { 1, 2, 3, 4, 5 }),
    "90 0 5 " .. NODE .. " 0 0 0 7 0 0 0 1 0 0 0 2 0 0 0 3 0 0 0 4 0 0 0 5" },
  { "a port", etf.port(atom("a@b"), "\0\0\0\0\15\255\255\255", 7), "89 " .. NODE .. " 15 255 255 255 0 0 0 7" },
  { "a port of the greatest id", etf.port(atom("a@b"), ("\255"):rep(8), 7), "120 " .. NODE .. (" 255"):rep(8) .. " 0 0 0 7" },
  { "a port of an id with high bytes alone", etf.port(atom("a@b"), "\1\1\0\0\0\0\0\0", 7),
    "120 " .. NODE .. " 1 1 0 0 0 0 0 0 0 0 0 7" },
  { "a port of a great id", etf.port(atom("a@b"), "\0\0\0\0\16\0\0\0", 7), "120 " .. NODE .. " 0 0 0 0 16 0 0 0 0 0 0 7" },
  { "an exported fun", etf.export(atom("m"), atom("f"), 2), "113 119 1 109 119 1 102 97 2" },
}

local LOCAL_FUN = "112 0 0 0 65 1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 0 0 0 3 0 0 0 1 119 1 109 97 3 98 0 1 0 0 88 "
  .. NODE .. " 0 0 0 1 0 0 0 0 0 0 0 7 109 0 0 0 3 1 2 3"

-- Other forms that Erlang reads.
local ALSO_READ = {
  { "an integer with digits that are zero", 5, "110 3 0 5 0 0" },
  { "an integer in the long form", -5, "111 0 0 0 1 1 5" },
  { "an integer without digits", 0, "110 0 1" },
  { "minus one in the longer form", -1, "110 1 1 1" },
  { "a bit string of no bytes", "", "77 0 0 0 0 0" },
  { "an atom in Latin-1", atom("\195\169"), "100 0 1 233" },
  { "a short atom in Latin-1", atom("\195\169"), "115 1 233" },
  { "an atom in the long form", atom("ok"), "118 0 2 111 107" },
  { "a tuple in the long form", tuple(1), "105 0 0 0 1 97 1" },
  { "a bit string that fills its bytes", "\1", "77 0 0 0 1 8 1" },
  { "a bit string with unused bits set", etf.bits("\224", 3), "77 0 0 0 1 3 255" },
  { "a list of no elements", 7, "108 0 0 0 0 97 7" },
  { "an empty string", list({}), "107 0 0" },
  { "a list whose tail is a list", list({ 1, 2, 3 }, 4), "108 0 0 0 1 97 1 108 0 0 0 2 97 2 97 3 97 4" },
  { "a list whose tail is a string", list({ 1, 2, 3 }), "108 0 0 0 1 97 1 107 0 2 2 3" },
  { "an old pid", etf.pid(atom("a@b"), 1, 2, 3), "103 " .. NODE .. " 0 0 0 1 0 0 0 2 3" },
  { "a reference of three ids with an old creation", etf.reference(atom("a@b"), 3, { 1, 2, 4 }),
    "114 0 3 " .. NODE .. " 3 0 0 0 1 0 0 0 2 0 0 0 4" },
  { "the oldest reference", etf.reference(atom("a@b"), 3, { 9 }), "101 " .. NODE .. " 0 0 0 9 3" },
  { "an old port", etf.port(atom("a@b"), "\0\0\0\0\0\0\0\9", 3), "102 " .. NODE .. " 0 0 0 9 3" },
  { "a port of a small id in the long form", etf.port(atom("a@b"), "\0\0\0\0\0\0\0\9", 3),
    "120 " .. NODE .. " 0 0 0 0 0 0 0 9 0 0 0 3" },
}

local REFUSED = {
  { "nothing", "", "byte 1: expected a term, found the end" },
  { "an unknown tag", "104 1 42", "byte 3: no term begins with 42" },
  { "a tuple of too many elements", "105 255 255 255 255 97 1",
    "byte 6: a tuple of 4294967295 elements, but only 2 bytes are left" },
  { "a list of too many elements", "108 255 255 255 255 97",
    "byte 6: a list of 4294967295 elements and a tail, but only 1 byte is left" },
  { "a list of as many bytes as elements", "108 0 0 0 3 97 1 106",
    "byte 6: a list of 3 elements and a tail, but only 3 bytes are left" },
  { "a bit string of no bytes and eight bits", "77 0 0 0 0 8", "byte 6: a bit string of 0 bytes with 8 bits in the last one" },
  { "a list without a tail", "108 0 0 0 1 97 1", "byte 8: expected a term, found the end" },
  { "a map of too many pairs", "116 128 0 0 0", "byte 6: a map of 2147483648 pairs, but only 0 bytes are left" },
  { "a binary that is too long", "109 255 255 255 255 0", "byte 6: a binary of 4294967295 bytes, but only 1 byte is left" },
  { "a bit string that is too long", "77 0 0 0 2 1 0", "byte 7: a bit string of 2 bytes, but only 1 byte is left" },
  { "a bit string of nine bits in a byte", "77 0 0 0 1 9 0", "byte 6: a bit string of 1 bytes with 9 bits in the last one" },
  { "a string that is too long", "107 255 255 1", "byte 4: a string of 65535 bytes, but only 1 byte is left" },
  { "an integer that is too long", "111 255 255 255 255 0", "byte 6: an integer of 4294967295 bytes and a sign, but only 1 byte is left" },
  { "half an integer", "98 0 0", "byte 4: the bytes end within an integer" },
  { "half a float", "70 0 0", "byte 2: a float of 8 bytes, but only 2 bytes are left" },
  { "infinity", "70 127 240 0 0 0 0 0 0", "byte 2: a float that is not finite" },
  { "not a number", "70 127 248 0 0 0 0 0 0", "byte 2: a float that is not finite" },
  { "an atom that is too long", "119 3 97", "byte 3: an atom of 3 bytes, but only 1 byte is left" },
  { "an atom with a lone byte of a character", "119 1 195", "byte 3: an atom that is not UTF-8" },
  { "an atom with an overlong character", "119 2 192 128", "byte 3: an atom that is not UTF-8" },
  { "an atom with an overlong character of three bytes", "119 3 224 159 191", "byte 3: an atom that is not UTF-8" },
  { "an atom with an overlong character of four bytes", "119 4 240 143 191 191", "byte 3: an atom that is not UTF-8" },
  { "an atom with a byte that begins no character", "119 4 245 128 128 128", "byte 3: an atom that is not UTF-8" },
  { "an atom with a byte amiss after a good character", "119 4 195 169 120 128", "byte 3: an atom that is not UTF-8" },
  { "an atom with a surrogate", "119 3 237 160 128", "byte 3: an atom that is not UTF-8" },
  { "an atom above U+10FFFF", "119 4 244 144 128 128", "byte 3: an atom that is not UTF-8" },
  { "an atom of 256 characters", "118 1 0 " .. ("97 "):rep(256), "byte 4: an atom of 256 characters, expected at most 255" },
  { "a pid of no node", "88 97 1", "byte 2: the node of a pid begins with 97, expected an atom" },
  { "half a pid", "88 " .. NODE .. " 0 0 0 1 0 0", "byte 13: the bytes end within a pid" },
  { "a reference of no ids", "90 0 0 " .. NODE .. " 0 0 0 0", "byte 2: a reference of 0 ids, expected 1 to 5" },
  { "a reference of six ids", "90 0 6 " .. NODE, "byte 2: a reference of 6 ids, expected 1 to 5" },
  { "half a port", "120 " .. NODE .. " 0 0", "byte 7: the id of a port of 8 bytes, but only 2 bytes are left" },
  { "a fun whose arity is an atom", "113 119 1 109 119 1 102 119 0",
    "byte 8: the arity of a fun begins with 119, expected 97" },
  { "a map with a key twice", "116 0 0 0 2 119 1 97 97 1 119 1 97 97 2", "byte 11: a map that has this key already" },
  { "a local fun of a wrong size", (LOCAL_FUN:gsub("^112 0 0 0 65", "112 0 0 0 64")),
    "byte 2: a fun of 64 bytes whose terms end after 65" },
  { "a local fun of too many variables", "112 0 0 0 29 1 " .. ("0 "):rep(20) .. "255 255 255 255",
    "byte 31: a fun of 4294967295 free variables, but only 0 bytes are left" },
}

describe("etf.encode", function()
  for _, case in ipairs(WRITTEN) do
    it("writes " .. case[1], function() assert.equal(case[3], spelled(etf.encode(case[2]))) end)
  end

  it("writes an integer of 256 digits in the long form", function()
    assert.equal("110 255 1 1", spelled(etf.encode(etf.big(1, ("\1"):rep(255))):sub(1, 4)))
    assert.equal("111 0 0 1 0 1 1", spelled(etf.encode(etf.big(1, ("\1"):rep(256))):sub(1, 7)))
  end)

  it("writes an atom of 256 bytes in the long form", function()
    assert.equal("119 255 97", spelled(etf.encode(atom(("a"):rep(255))):sub(1, 3)))
    assert.equal("118 1 0 195 169", spelled(etf.encode(atom(("\195\169"):rep(128))):sub(1, 5)))
  end)

  it("writes a tuple of 256 elements in the long form", function()
    assert.equal("104 255 97 1", spelled(etf.encode(tuple(unpack(repeated(255, tonumber)))):sub(1, 4)))
    assert.equal("105 0 0 1 0 97 1", spelled(etf.encode(tuple(unpack(repeated(256, tonumber)))):sub(1, 7)))
  end)

  it("writes a list of 65535 bytes as a string and a longer one as a list", function()
    local function seven() return 7 end
    assert.equal("\107\255\255" .. ("\7"):rep(65535), etf.encode(list(repeated(65535, seven))))
    local longer = etf.encode(list(repeated(65536, seven)))
    assert.equal("108 0 1 0 0 97 7", spelled(longer:sub(1, 7)))
    assert.equal(5 + 2 * 65536 + 1, #longer)
  end)

  it("refuses what is no term and says what it found", function()
    assert.error_matches(function() etf.encode(true) end, "cannot encode a boolean %(true%): expected a term")
    assert.error_matches(function() etf.encode(nil) end, "cannot encode nothing")
    assert.error_matches(function() etf.encode(tuple(1, nil, 2)) end, "cannot encode nothing")
    assert.error_matches(function() etf.encode({ n = 0 }) end, "cannot encode a table")
  end)

  it("refuses numbers that are no exact integers", function()
    for _, number in ipairs({ 2 ^ 53, -2 ^ 53, 1.5, 0.5, math.huge, -math.huge, 0 / 0 }) do
      assert.error_matches(function() etf.encode(number) end, "cannot encode .*expected a whole number below 2%^53")
    end
  end)

  it("refuses a term that is nested in itself", function()
    local endless = tuple(1)
    endless[1] = endless
    assert.error_matches(function() etf.encode(endless) end, "nested deeper than 1000")
    assert.has_no_error(function() etf.encode((decoded(bytes(("104 1 "):rep(999) .. "104 0"), 1, { depth = 1000 }))) end)
    assert.error_matches(function() etf.encode((decoded(bytes(("104 1 "):rep(1000) .. "104 0"), 1, { depth = 1001 }))) end,
      "nested deeper than 1000")
  end)
end)

describe("etf.decode", function()
  for _, case in ipairs(WRITTEN) do
    it("reads " .. case[1], function()
      local data = bytes(case[3])
      local term, next_at = decoded(data)
      assert.same(case[2], term)
      assert.equal(getmetatable(case[2]), getmetatable(term))
      assert.equal(#data + 1, next_at)
      assert.equal(case[3], spelled(etf.encode(term))) -- minus zero, too
    end)
  end

  for _, case in ipairs(ALSO_READ) do
    it("reads " .. case[1], function()
      local data = bytes(case[3])
      local term, next_at = decoded(data)
      assert.is_true(etf.equal(case[2], term))
      assert.same(case[2], term)
      assert.equal(#data + 1, next_at)
    end)
  end

  for _, case in ipairs(REFUSED) do
    it("refuses " .. case[1], function()
      local term, message = etf.decode(bytes(case[2]))
      assert.is_nil(term)
      assert.equal(case[3], message)
    end)
  end

  it("keeps a local fun as it came", function()
    local fun, next_at = decoded(bytes(LOCAL_FUN .. " 106 106"))
    assert.equal("fun", etf.kind(fun))
    assert.equal(67, next_at)
    assert.equal(LOCAL_FUN, spelled(etf.encode(fun)))
  end)

  it("begins where it is told and says where it ended", function()
    local term, next_at = decoded(bytes("131 104 1 97 5 131 106"), 2)
    assert.is_true(etf.equal(tuple(5), term))
    assert.equal(6, next_at)
    assert.same(list({}), (decoded(bytes("131 104 1 97 5 131 106"), next_at + 1)))
  end)

  it("reads each byte of a long string", function()
    local data = "\107" .. string.char(8, 199) .. ("peerage"):rep(321) -- 2247 bytes
    assert.equal(data, etf.encode((decoded(data))))
  end)

  it("keeps the order of a map", function()
    local data = bytes("116 0 0 0 2 119 1 98 97 1 119 1 97 97 2")
    assert.equal(data, etf.encode((decoded(data))))
  end)

  it("reads what is nested 64 deep and nothing deeper", function()
    assert.is_not_nil(etf.decode(bytes(("104 1 "):rep(64) .. "97 1")))
    local term, message = etf.decode(bytes(("104 1 "):rep(65) .. "97 1"))
    assert.is_nil(term)
    assert.equal("byte 131: terms nested deeper than 64", message)
    assert.is_not_nil(etf.decode(bytes(("104 1 "):rep(65) .. "97 1"), 1, { depth = 65 }))
  end)

  for name, start in pairs({ list = "108 0 0 0 1 ", map = "116 0 0 0 1 97 1 ", improper = "108 0 0 0 1 97 1 104 1 " }) do
    it("bounds the depth of the kind " .. name, function()
      local _, message = etf.decode(bytes(start:rep(5000) .. "97 1"))
      assert.matches("terms nested deeper than 64", message)
    end)
  end

  it("reads a list of any length written as tails of tails", function()
    local term = decoded(bytes(("108 0 0 0 1 97 1 "):rep(5000) .. "106"))
    assert.equal(5000, term.n)
    assert.is_nil(term.tail)
  end)

  it("refuses more terms than are allowed", function()
    local data = etf.encode(tuple(unpack(repeated(9, tonumber))))
    assert.is_not_nil(etf.decode(data, 1, { terms = 10 }))
    local term, message = etf.decode(data, 1, { terms = 9 })
    assert.is_nil(term)
    assert.equal("byte 19: more terms than are allowed", message)
  end)

  it("raises for what are no bytes", function()
    assert.error_matches(function() etf.decode(nil) end, "expected the bytes of a term as a string, found a nil")
  end)
end)

describe("etf.decode of bytes that nobody meant", function()
  local ROUNDS, MOST = 10000, 300 -- bytes
  local sample = {}

  setup(function()
    math.randomseed(3)
    for _, cases in ipairs({ WRITTEN, ALSO_READ }) do
      for _, case in ipairs(cases) do sample[#sample + 1] = bytes(case[3]) end
    end
    sample[#sample + 1] = bytes(LOCAL_FUN)
    local all = {}
    for i, data in ipairs(sample) do all[i] = decoded(data) end
    sample[#sample + 1] = etf.encode(tuple(unpack(all)))
  end)

  local function noise()
    return string.char(unpack(repeated(math.random(MOST), function() return math.random(0, 255) end)))
  end

  local function mutated()
    local data = sample[math.random(#sample)]
    local at = math.random(#data)
    return data:sub(1, at - 1) .. string.char(math.random(0, 255)) .. data:sub(at + 1)
  end

  local function truncated()
    local data = sample[math.random(#sample)]
    return data:sub(1, math.random(#data) - 1)
  end

  -- A term that was read can be written, and is then read as the same.
  local function check(data)
    local term, next_at = etf.decode(data)
    if term == nil then return assert.matches("^byte %d+: ", next_at) end
    local again = etf.decode(etf.encode(term))
    assert(etf.equal(term, again), spelled(data))
    assert(#etf.describe(term) <= 200, spelled(data))
    return true
  end

  it("never raises, and what it reads can be written again", function()
    local read = 0
    for _ = 1, ROUNDS / 2 do
      check(noise())
      if check(mutated()) == true then read = read + 1 end
    end
    assert.is_true(read > 100)
  end)

  it("refuses each truncated term", function()
    for _ = 1, ROUNDS / 10 do
      local data = truncated()
      assert.is_nil((etf.decode(data)), spelled(data))
    end
  end)

  it("allocates in proportion to the bytes", function()
    local inputs, size = {}, 0
    for i = 1, ROUNDS / 10 do
      inputs[i] = i % 2 == 0 and noise() or mutated()
      size = size + #inputs[i]
    end
    local kilobytes = garbage.of(function()
      for _, data in ipairs(inputs) do etf.decode(data) end
    end)
    assert.is_true(kilobytes * 1024 < 100 * size + 2048 * #inputs, kilobytes .. " KB")
  end)

  for _, head in ipairs({ "105", "108", "116", "109", "77", "111", "112" }) do
    it("allocates nothing on the word of a count after " .. head, function()
      local data = bytes(head .. " 127 255 255 255 1 1 1 1 1 1")
      assert.is_true(garbage.of(function() etf.decode(data) end) < 8)
    end)
  end

  it("keeps no atom that nobody has", function()
    local function read_new_ones(from)
      for i = from, from + 20000 do assert(etf.decode(("\119\8%08d"):format(i))) end
      collectgarbage()
      collectgarbage()
      return collectgarbage("count")
    end
    local before = read_new_ones(1)
    local grown = read_new_ones(100000) - before
    assert.is_true(grown < 1000, grown .. " kB more") -- 20,000 atoms are more than twice that; a weak table may stay large
  end)
end)

describe("a term", function()
  it("is the same object for the same atom while somebody has it", function()
    local held = atom("held_by_this_spec")
    collectgarbage()
    assert.equal(held, atom("held_by_this_spec"))
    assert.equal(held, (decoded(etf.encode(held))))
    assert.are_not_equal(held, atom("other"))
  end)

  it("has a kind", function()
    local kinds = {
      atom = atom("x"), integer = 1, float = etf.float(1), binary = "", bits = etf.bits("\1", 1), tuple = tuple(),
      list = list({}), map = etf.map({}), pid = etf.pid(atom("n"), 1, 1, 1), reference = etf.reference(atom("n"), 1, { 1 }),
      port = etf.port(atom("n"), ("\0"):rep(8), 1), export = etf.export(atom("m"), atom("f"), 0),
    }
    for kind, term in pairs(kinds) do assert.equal(kind, etf.kind(term)) end
    assert.equal("integer", etf.kind(etf.big(0, ("\1"):rep(9))))
    for _, other in ipairs({ {}, true, print }) do assert.is_nil(etf.kind(other)) end
    assert.is_nil(etf.kind(nil))
  end)

  it("is a Lua number for each integer that one holds exactly", function()
    assert.equal(2 ^ 53 - 1, etf.big(0, "\255\255\255\255\255\255\31"))
    assert.equal(-258, etf.big(1, "\2\1\0\0\0\0\0\0\0"))
    assert.equal("table", type(etf.big(0, "\0\0\0\0\0\0\32")))
  end)

  it("takes the tail alone for a list without items", function()
    assert.equal(7, list({}, 7))
    assert.same(list({ 1, 2 }, 3), list({ 1 }, list({ 2 }, 3)))
    assert.equal(list({}), list({}, list({})))
  end)

  it("drops unused bits", function() assert.same(etf.bits("\224", 3), etf.bits("\255", 3)) end)

  it("is not made of what it cannot be made of", function()
    local wrong = {
      ["the name of an atom as a string, found a number %(1%)"] = function() atom(1) end,
      ["an atom that is not UTF%-8"] = function() atom("\255") end,
      ["an atom of 256 characters, expected at most 255"] = function() atom(("\195\169"):rep(256)) end,
      ["a finite number, found a number %(inf%)"] = function() etf.float(math.huge) end,
      ["a finite number, found a number %(%-?nan%)"] = function() etf.float(0 / 0) end,
      ["1 to 8 bits in the last byte, found a number %(9%)"] = function() etf.bits("\1", 9) end,
      ["a string that is not empty"] = function() etf.bits("", 1) end,
      ["a sign 0 or 1"] = function() etf.big(-1, "") end,
      ["each pair of a map as { key, value }"] = function() etf.map({ { 1 } }) end,
      ["the node of a pid as an atom, found \"a@b\""] = function() etf.pid("a@b", 1, 1, 1) end,
      ["the id of a pid as an integer of 32 bits"] = function() etf.pid(atom("n"), 2 ^ 32, 1, 1) end,
      ["the serial of a pid as an integer of 32 bits"] = function() etf.pid(atom("n"), 1, -1, 1) end,
      ["the creation of a pid as an integer of 32 bits"] = function() etf.pid(atom("n"), 1, 1, 0.5) end,
      ["1 to 5 ids of a reference"] = function() etf.reference(atom("n"), 1, {}) end,
      ["each id of a reference as an integer of 32 bits"] = function() etf.reference(atom("n"), 1, { 1, "2" }) end,
      ["the id of a port as 8 bytes"] = function() etf.port(atom("n"), "1234567", 1) end,
      ["the arity of a fun as 0 to 255"] = function() etf.export(atom("m"), atom("f"), 256) end,
    }
    for message, fn in pairs(wrong) do assert.error_matches(fn, message) end
  end)
end)

describe("etf.equal", function()
  local function nested(a, b) return tuple(etf.map({ { etf.map({ a, b }), 1 } })) end

  it("does not mind the order of maps, however deep", function()
    assert.is_true(etf.equal(nested({ 1, 2 }, { "x", "y" }), nested({ "x", "y" }, { 1, 2 })))
    assert.is_false(etf.equal(nested({ 1, 2 }, { "x", "y" }), nested({ 1, "y" }, { "x", 2 })))
    local function within(a, b) return etf.map({ { 1, etf.map({ a, b }) } }) end
    assert.is_true(etf.equal(within({ 1, 2 }, { 3, 4 }), within({ 3, 4 }, { 1, 2 })))
  end)

  it("tells apart what only looks alike", function()
    local different = {
      1, "1", etf.float(1), atom("1"), list({ 49 }), tuple(1), list({ 1 }), list({ 1 }, 1), list({ "" }), etf.bits("1", 7),
      etf.float(0), etf.float(-0.0), etf.big(0, ("1"):rep(9)), etf.big(1, ("1"):rep(9)), etf.map({}), list({}), tuple(),
      etf.pid(atom("1"), 1, 1, 1), etf.pid(atom("1"), 1, 1, 2), etf.reference(atom("1"), 1, { 1 }),
      etf.reference(atom("1"), 1, { 1, 1 }), etf.export(atom("1"), atom("1"), 1), (decoded(bytes(LOCAL_FUN))),
    }
    for i, a in ipairs(different) do
      for k, b in ipairs(different) do assert.equal(i == k, etf.equal(a, b)) end
    end
  end)
end)

describe("etf.describe", function()
  local SHOWN = {
    { atom("ok"), "ok" }, { atom("Ok"), "'Ok'" }, { atom("end"), "'end'" }, { atom("it's"), "'it\\'s'" }, { atom(""), "''" },
    { atom("a@b"), "a@b" }, { atom("\195\169\n"), "'\\x{E9}\\n'" }, { atom("\240\159\152\128"), "'\\x{1F600}'" },
    { 0, "0" }, { -0, "0" }, { 2 ^ 53 - 1, "9007199254740991" }, { -12, "-12" },
    { etf.big(1, ("\0"):rep(8) .. "\1"), "-16#10000000000000000" },
    { etf.float(1), "1.0" }, { etf.float(0.1), "0.1" }, { etf.float(-1e300), "-1.0e+300" }, { etf.float(1 / 3), "0.33333333333333331" },
    { "text", '<<"text">>' }, { "\0\255", "<<0,255>>" }, { 'a"\\', '<<"a\\"\\\\">>' }, { "", "<<>>" },
    { etf.bits("\1\255", 3), "<<1,7:3>>" },
    { list({}), "[]" }, { list({ 104, 105 }), '"hi"' }, { list({ 1, 2 }), "[1,2]" }, { list({ 104 }, 105), "[104|105]" },
    { list({ 32, 126, 9, 10, 13 }), '" ~\\t\\n\\r"' }, { list({ 31 }), "[31]" }, { list({ 127 }), "[127]" }, { list({ 14 }), "[14]" },
    { tuple(atom("a"), tuple()), "{a,{}}" }, { etf.map({ { 1, 2 }, { atom("k"), "v" } }), '#{1 => 2,k => <<"v">>}' },
    { etf.pid(atom("a@b"), 12, 3, 4), "#Pid<a@b.12.3>" }, { etf.reference(atom("a@b"), 4, { 1, 2, 3 }), "#Ref<a@b.1.2.3>" },
    { etf.port(atom("a@b"), "\0\0\0\0\0\0\1\2", 4), "#Port<a@b.16#102>" },
    { etf.export(atom("lists"), atom("map"), 2), "fun lists:map/2" }, { (decoded(bytes(LOCAL_FUN))), "#Fun<m/1>" },
  }
  for _, case in ipairs(SHOWN) do
    it("shows " .. case[2], function() assert.equal(case[2], etf.describe(case[1])) end)
  end

  it("is at most 200 bytes and bounded work, whatever the term", function()
    local deep = "x"
    for _ = 1, 900 do deep = tuple(deep) end
    local endless = tuple(1)
    endless[1] = endless
    local big = ("\195\169"):rep(2 ^ 20)
    local great = {
      deep, endless, big, ("x"):rep(2 ^ 20), ("\n"):rep(300), atom(("\195\169"):rep(255)), etf.big(0, ("\255"):rep(2 ^ 20)),
      list(repeated(2 ^ 16, function() return 65 end)), list(repeated(2 ^ 16, function() return list({}) end)),
      etf.map(repeated(2 ^ 10, function(i) return { i, i } end)),
    }
    for _, term in ipairs(great) do
      local text
      assert.is_true(garbage.of(function() text = etf.describe(term) end) < 64)
      assert.equal(200, #text)
      assert.matches("^[\32-\126]+%.%.%.$", text)
    end
  end)

  it("says what is no term", function() assert.equal("{no term (boolean)}", etf.describe(tuple(true))) end)
end)
