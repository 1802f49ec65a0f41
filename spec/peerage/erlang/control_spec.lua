-- SPDX-License-Identifier: MIT
-- What a node without processes answers, and how its calls find their answers.
local control = require("peerage.erlang.control")
local etf = require("peerage.erlang.etf")

local US = { name = "a@127.0.0.1", creation = 5 }
local PEER = etf.atom("c@127.0.0.1")
local OUR_PID = etf.pid(etf.atom(US.name), 1, 0, US.creation)
local PID, OTHER_PID = etf.pid(PEER, 98, 3, 1700000000), etf.pid(PEER, 99, 0, 1700000000)
local REFERENCE = etf.reference(PEER, 1700000000, { 131071, 4294967295, 7 })
local ALIAS_TAG = etf.list({ etf.atom("alias") }, REFERENCE)
local EMPTY, NOPROC = etf.atom(""), etf.atom("noproc")
local GLOBAL, GEN_CAST, REX = etf.atom("global_name_server"), etf.atom("$gen_cast"), etf.atom("rex")

-- What a frame's length says is there, and no more.
local function payload_of(frame)
  local a, b, c, d = frame:byte(1, 4)
  assert.equal(#frame - 4, ((a * 256 + b) * 256 + c) * 256 + d)
  return frame:sub(5)
end

local function from_hex(text) return (text:gsub("%s", ""):gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end)) end

local function send(term, message)
  local read, its_message = control.read(payload_of(control.frame(term, message)))
  assert(read, its_message)
  return control.take(US, read, its_message)
end

-- The terms in the one frame of the answers.
local function answer_to(term, message)
  local answers, reply, ignored = send(term, message)
  assert.is_nil(reply)
  assert.is_nil(ignored)
  assert(answers, "no answer to " .. etf.describe(term))
  assert.equal(1, #answers)
  local payload = payload_of(answers[1])
  assert.equal("\112\131", payload:sub(1, 2))
  local answer, at = assert(etf.decode(payload, 3, { depth = 1000 }))
  if at > #payload then return answer end
  assert.equal(131, payload:byte(at))
  local its_message, last = assert(etf.decode(payload, at + 1, { depth = 1000 }))
  assert.equal(#payload + 1, last)
  return answer, its_message
end

local function same_term(expected, found)
  if not etf.equal(expected, found) then
    error(("expected %s, found %s"):format(etf.describe(expected), etf.describe(found)), 2)
  end
end

local function says_nothing(term, message)
  local answers, reply, ignored = send(term, message)
  assert.is_nil(answers, etf.describe(term))
  assert.is_nil(reply, etf.describe(term))
  assert.is_nil(ignored, etf.describe(term))
end

local function gen_call(request, tag, from)
  return etf.tuple(etf.atom("$gen_call"), etf.tuple(from or PID, tag or ALIAS_TAG), request)
end

local function to_net_kernel(message) return etf.tuple(6, PID, EMPTY, etf.atom("net_kernel")), message end

describe("distribution messages, of a node without processes,", function()
  it("answer a ping, byte for byte", function()
    local payload = from_hex([[70
      83 68 04 61 06 58 77 03 63 40 68 00 00 00 09 00 00 00 01 00 00 00 07 77 00 77 0a 6e 65 74 5f 6b 65 72 6e 65 6c
      83 68 03 77 09 24 67 65 6e 5f 63 61 6c 6c
         68 02 58 77 03 63 40 68 00 00 00 09 00 00 00 01 00 00 00 07
               6c 00 00 00 01 77 05 61 6c 69 61 73 5a 00 03 77 03 63 40 68 00 00 00 07 00 00 00 01 00 00 00 02 00 00 00 03
         68 02 77 07 69 73 5f 61 75 74 68 77 03 63 40 68]])
    local answers = control.take({ name = "a@h", creation = 5 }, assert(control.read(payload)))
    assert.same({ "\0\0\0\070" .. from_hex([[70
      83 68 03 61 02 77 00 58 77 03 63 40 68 00 00 00 09 00 00 00 01 00 00 00 07
      83 68 02 6c 00 00 00 01 77 05 61 6c 69 61 73 5a 00 03 77 03 63 40 68 00 00 00 07 00 00 00 01 00 00 00 02 00 00 00 03
         77 03 79 65 73]]) }, answers)
  end)

  it("answer a ping with any tag, traced or not", function()
    local request = etf.tuple(etf.atom("is_auth"), PEER)
    for _, tag in ipairs({ REFERENCE, ALIAS_TAG, etf.tuple("some", 1), "a tag" }) do
      local answer, message = answer_to(to_net_kernel(gen_call(request, tag)))
      same_term(etf.tuple(2, EMPTY, PID), answer)
      same_term(etf.tuple(tag, etf.atom("yes")), message)
    end
    local traced = etf.tuple(16, PID, EMPTY, etf.atom("net_kernel"), etf.tuple(1, 2, 3, PID, 4))
    local _, message = answer_to(traced, gen_call(request))
    same_term(etf.tuple(ALIAS_TAG, etf.atom("yes")), message)
  end)

  it("refuse what else net_kernel is asked, so that nobody waits", function()
    local refusal = etf.tuple(ALIAS_TAG, etf.tuple(etf.atom("error"), etf.atom("notsup")))
    for _, request in ipairs({ etf.atom("longnames"), etf.tuple(etf.atom("is_auth")), etf.tuple(etf.atom("spawn"), PEER), 7 }) do
      local answer, message = answer_to(to_net_kernel(gen_call(request)))
      same_term(etf.tuple(2, EMPTY, PID), answer)
      same_term(refusal, message)
    end
  end)

  it("refuse what sys asks net_kernel, so that nobody waits", function()
    local request = etf.tuple(etf.atom("system"), etf.tuple(PID, ALIAS_TAG), etf.atom("get_state"))
    local answer, message = answer_to(to_net_kernel(request))
    same_term(etf.tuple(2, EMPTY, PID), answer)
    same_term(etf.tuple(ALIAS_TAG, etf.tuple(etf.atom("error"), etf.atom("notsup"))), message)
  end)

  it("tell the peer's global that it need not wait for ours", function()
    local greeting = etf.tuple(etf.atom("init_connect"), etf.tuple(8, 4711), PEER, etf.tuple(etf.atom("locker")))
    for _, term in ipairs({ etf.tuple(6, PID, EMPTY, GLOBAL), etf.tuple(16, PID, EMPTY, GLOBAL, etf.tuple(1)) }) do
      local answer, message = answer_to(term, etf.tuple(GEN_CAST, greeting))
      same_term(etf.tuple(6, OUR_PID, EMPTY, GLOBAL), answer)
      same_term(etf.tuple(GEN_CAST, etf.tuple(etf.atom("in_sync"), etf.atom(US.name), etf.atom("true"))), message)
    end
  end)

  it("refuse a call of a node in C or Java, which does not monitor rex", function()
    local function call(...) return etf.tuple(6, PID, EMPTY, REX), etf.tuple(...) end
    local request = etf.tuple(etf.atom("call"), etf.atom("erlang"), etf.atom("node"), etf.list({}), etf.atom("user"))
    local answer, message = answer_to(call(PID, request))
    same_term(etf.tuple(2, EMPTY, PID), answer)
    same_term(etf.tuple(REX, etf.tuple(etf.atom("badrpc"), etf.atom("notsup"))), message)
    says_nothing(call(PID, etf.tuple(etf.atom("cast"), 1, 2, 3, 4)))
    says_nothing(call(PID, etf.atom("call")))
    says_nothing(call(1, request))
    says_nothing(call(GEN_CAST, request))
    says_nothing(call(PID, request, 1))
    says_nothing(etf.tuple(6, PID, EMPTY, REX), gen_call(request)) -- who calls so has heard of the monitor that there is no rex
  end)

  it("ignore what else comes to global", function()
    for _, message in ipairs({
      etf.atom("hello"), 7, etf.tuple(GEN_CAST, 1), etf.tuple(GEN_CAST, etf.tuple()),
      etf.tuple(GEN_CAST, etf.tuple(etf.atom("init_connect")), 2), etf.tuple(PID, etf.tuple(etf.atom("init_connect"))),
      etf.tuple(GEN_CAST, etf.tuple(etf.atom("in_sync"), PEER, etf.atom("true"))),
      gen_call(etf.tuple(etf.atom("init_connect"), 1, 2, 3)),
    }) do
      says_nothing(etf.tuple(6, PID, EMPTY, GLOBAL), message)
    end
  end)

  it("ignore what comes to net_kernel and is no call", function()
    for _, message in ipairs({
      etf.atom("hello"), 1, "", etf.tuple(), etf.tuple(etf.atom("$gen_cast"), etf.tuple(1, 2)),
      etf.tuple(etf.atom("$gen_call"), PID, etf.atom("is_auth")),
      etf.tuple(etf.atom("$gen_call"), etf.tuple(PID), etf.atom("is_auth")),
      etf.tuple(etf.atom("$gen_call"), etf.tuple(PID, REFERENCE)),
      gen_call(etf.tuple(etf.atom("is_auth"), PEER), nil, etf.atom("nobody")),
    }) do
      says_nothing(to_net_kernel(message))
    end
  end)

  it("say noproc to a monitor on anything but net_kernel", function()
    for _, target in ipairs({ etf.atom("global_name_server"), OUR_PID }) do
      same_term(etf.tuple(21, target, PID, REFERENCE, NOPROC), (answer_to(etf.tuple(19, PID, target, REFERENCE))))
    end
    says_nothing(etf.tuple(19, PID, etf.atom("net_kernel"), REFERENCE))
  end)

  it("say noproc to a link, and acknowledge that it is undone", function()
    same_term(etf.tuple(3, OUR_PID, PID, NOPROC), (answer_to(etf.tuple(1, PID, OUR_PID))))
    for _, id in ipairs({ 1, etf.big(1, "\1\2\3\4\5\6\7\8") }) do
      same_term(etf.tuple(36, id, OUR_PID, PID), (answer_to(etf.tuple(35, id, PID, OUR_PID))))
    end
  end)

  it("refuse a spawn request, traced or not, without a look at its arguments", function()
    local mfa = etf.tuple(etf.atom("os"), etf.atom("cmd"), 1)
    local refusal = etf.tuple(31, REFERENCE, PID, 0, etf.atom("notsup"))
    same_term(refusal, (answer_to(etf.tuple(29, REFERENCE, PID, OTHER_PID, mfa, etf.list({})), etf.list({ "x" }))))
    same_term(refusal, (answer_to(etf.tuple(30, REFERENCE, PID, OTHER_PID, mfa, etf.list({}), etf.tuple()), etf.list({}))))
  end)

  it("ignore what concerns processes that are not there", function()
    local reason, token = etf.atom("kill"), etf.tuple(1)
    for _, term in ipairs({
      etf.tuple(3, PID, OUR_PID, reason), etf.tuple(8, PID, OUR_PID, reason),
      etf.tuple(13, PID, OUR_PID, token, reason), etf.tuple(18, PID, OUR_PID, token, reason),
      etf.tuple(4, PID, OUR_PID), etf.tuple(5), etf.tuple(7, PID, OUR_PID),
      etf.tuple(20, PID, etf.atom("foo"), REFERENCE), etf.tuple(20, PID, OUR_PID, REFERENCE),
      etf.tuple(21, PID, OUR_PID, REFERENCE, reason), etf.tuple(21, etf.atom("foo"), OUR_PID, REFERENCE, reason),
      etf.tuple(31, REFERENCE, OUR_PID, 0, PID), etf.tuple(32, REFERENCE, OUR_PID, 0, PID, token),
      etf.tuple(36, 1, PID, OUR_PID),
    }) do
      says_nothing(term)
    end
    for _, term in ipairs({
      etf.tuple(24, PID, OUR_PID), etf.tuple(25, PID, OUR_PID, token), etf.tuple(26, PID, OUR_PID),
      etf.tuple(27, PID, OUR_PID, token), etf.tuple(28, PID, OUR_PID, REFERENCE),
      etf.tuple(6, PID, EMPTY, etf.atom("rex")), etf.tuple(16, PID, EMPTY, etf.atom("nobody"), token),
      etf.tuple(2, EMPTY, OUR_PID), etf.tuple(22, PID, OUR_PID),
      etf.tuple(33, PID, REFERENCE), etf.tuple(34, PID, REFERENCE, token),
    }) do
      says_nothing(term, reason)
    end
  end)

  it("tell which operations are not known", function()
    local read, message = control.read(payload_of(control.frame(etf.tuple(99, 1, 2), "a message")))
    assert.is_nil(message)
    assert.same({ nil, nil, "unknown operation" }, { control.take(US, read) })
  end)

  it("are read and answered as deep as an exit reason or a tag may be, and refused beyond", function()
    local function deep(levels)
      local term = etf.atom("x")
      for _ = 1, levels do term = etf.tuple(term) end
      return term
    end
    says_nothing(etf.tuple(8, PID, OUR_PID, deep(899)))
    says_nothing(etf.tuple(2, EMPTY, OUR_PID), deep(900))
    answer_to(to_net_kernel(gen_call(etf.tuple(etf.atom("is_auth"), PEER), deep(898))))
    assert.is_nil((control.read(payload_of(control.frame(etf.tuple(8, PID, OUR_PID, deep(900)))))))
  end)

  it("do not look into a message that nobody waits for", function()
    local head = control.frame(etf.tuple(6, PID, EMPTY, etf.atom("nobody")), 1):sub(5, -3)
    assert(control.read(head .. "\131" .. ("\108\0\0\0\1"):rep(1000)))
    local asked = control.frame(etf.tuple(6, PID, EMPTY, etf.atom("net_kernel")), 1):sub(5, -3)
    assert.is_nil((control.read(asked .. "\131" .. ("\108\0\0\0\1"):rep(1000))))
    local exit = control.frame(etf.tuple(24, PID, OUR_PID), 1):sub(5, -3)
    assert(control.read(exit .. "\131" .. ("\108\0\0\0\1"):rep(1000)))
  end)
end)

describe("a frame", function()
  it("says how long it is, whatever it holds", function()
    assert.equal("\0\0\0\004\112\131\97\1", control.frame(1))
    assert.equal("\0\0\0\007\112\131\97\1\131\97\2", control.frame(1, 2))
    for _, size in ipairs({ 248, 249, 300, 65535 + 250, 2 ^ 24, 2 ^ 24 + 65536 * 3 + 256 * 5 + 7 }) do
      payload_of(control.frame(("x"):rep(size)))
    end
    assert.equal("\0\0\0\0", control.TICK)
  end)
end)

describe("a call over the distribution", function()
  local function sent(frame)
    local payload = payload_of(frame)
    local term, at = assert(etf.decode(payload, 3))
    return term, (assert(etf.decode(payload, at + 1)))
  end

  it("asks rex, and knows its answer by the reference", function()
    local frame, key = control.call(US, { 1, 2 }, "erlang", "nodes", etf.list({ etf.atom("connected") }))
    local term, message = sent(frame)
    same_term(etf.tuple(6, OUR_PID, EMPTY, etf.atom("rex")), term)
    local from, request = message[2], message[3]
    same_term(etf.tuple(etf.atom("call"), etf.atom("erlang"), etf.atom("nodes"),
      etf.list({ etf.atom("connected") }), etf.atom("user")), request)
    same_term(OUR_PID, from[1])
    local _, other_key = control.call(US, { 1, 3 }, "erlang", "nodes", etf.list({}))
    assert.are_not.equal(key, other_key)
    for _, carrier in ipairs({
      etf.tuple(2, EMPTY, OUR_PID), etf.tuple(12, EMPTY, OUR_PID, 1), etf.tuple(22, PID, OUR_PID),
      etf.tuple(23, PID, OUR_PID, 1), etf.tuple(33, PID, from[2]), etf.tuple(34, PID, from[2], 1),
    }) do
      local answers, reply = send(carrier, etf.tuple(from[2], etf.list({ PEER })))
      assert.is_nil(answers)
      assert.equal(key, reply.reference)
      same_term(etf.list({ PEER }), reply.value)
    end
  end)

  it("asks net_kernel whether it is there", function()
    local frame, key = control.ping(US, { 9 })
    local term, message = sent(frame)
    same_term(etf.tuple(6, OUR_PID, EMPTY, etf.atom("net_kernel")), term)
    same_term(etf.tuple(etf.atom("is_auth"), etf.atom(US.name)), message[3])
    assert.is_true(pcall(control.ping, US, { 1, 2, 3, 4, 2 ^ 32 - 1 }))
    local _, reply = send(etf.tuple(2, EMPTY, OUR_PID), etf.tuple(message[2][2], etf.atom("yes")))
    assert.same({ reference = key, value = etf.atom("yes") }, reply)
  end)

  it("takes no other message for its answer", function()
    local us = etf.atom(US.name)
    for _, message in ipairs({
      etf.atom("ok"), etf.tuple(REFERENCE), etf.tuple(REFERENCE, 1), etf.tuple(7, 1),
      etf.tuple(etf.reference(us, US.creation, { 1 }), 1, 2), -- of three
      etf.tuple(etf.reference(us, 4, { 1 }), 1), -- of our former life
      etf.tuple(etf.reference(PEER, US.creation, { 1 }), 1),
    }) do
      says_nothing(etf.tuple(2, EMPTY, OUR_PID), message)
    end
  end)

  it("raises where its reference has no or too many ids", function()
    assert.has_error(function() control.ping(US, {}) end, "control: a reference has 1 to 5 ids, found 0")
    assert.has_error(function() control.ping(US, { 1, 2, 3, 4, 5, 6 }) end, "control: a reference has 1 to 5 ids, found 6")
  end)
end)

describe("a malformed frame", function()
  local function refused(payload, ...)
    local read, why = control.read(payload)
    assert.is_nil(read)
    for _, part in ipairs({ ... }) do
      assert(why:find(part, 1, true), ("expected %q in %q"):format(part, why))
    end
  end

  local function payload(...) return payload_of(control.frame(...)) end

  it("is told by its first byte", function()
    refused("", "expected a frame that begins with 112, found an empty one")
    refused("\131\68\0", "expected a frame that begins with 112, found 131")
  end)

  it("is told by the version of its terms", function()
    refused("\112", "control message: expected the version 131, found the end of the frame")
    refused("\112\130\97\1", "control message: expected the version 131, found 130")
    refused(payload(etf.tuple(2, EMPTY, PID)) .. "\7\97\1", "SEND: message: expected the version 131, found 7")
  end)

  it("is told by terms that cannot be read", function()
    refused("\112\131\200", "control message: ")
    refused("\112\131\104\255", "control message: ")
    refused(payload(etf.tuple(2, EMPTY, PID)) .. "\131\200", "SEND: message: ")
  end)

  it("is told by what is no operation", function()
    for _, term in ipairs({ 7, etf.list({ 1 }), etf.tuple(), etf.tuple(etf.atom("x")), etf.tuple(etf.float(2), 1, 1) }) do
      refused(payload(term), "expected a tuple that begins with a number, found " .. etf.describe(term))
    end
  end)

  it("is told by the number and the kinds of its parts", function()
    refused(payload(etf.tuple(19, PID)), "MONITOR_P: expected 3 parts, found 1")
    refused(payload(etf.tuple(19, PID, PID, REFERENCE, 1)), "MONITOR_P: expected 3 parts, found 4")
    refused(payload(etf.tuple(19, PID, PID, PID)), "MONITOR_P: part 3: expected a reference, found ")
    refused(payload(etf.tuple(19, PID, 7, REFERENCE)), "MONITOR_P: part 2: expected a process, found 7")
    refused(payload(etf.tuple(6, PID, EMPTY, PID), 1), "REG_SEND: part 3: expected an atom, found ")
    refused(payload(etf.tuple(1, 7, PID)), "LINK: part 1: expected a pid, found 7")
  end)

  it("is told by a message that is missing or too much", function()
    refused(payload(etf.tuple(2, EMPTY, PID)), "SEND: expected a message, found the end of the frame")
    assert(control.read(payload(etf.tuple(24, PID, PID)) .. "\131"))
    refused(payload(etf.tuple(29, REFERENCE, PID, PID, etf.tuple(), etf.list({}))), "SPAWN_REQUEST: expected a message")
    refused(payload(etf.tuple(1, PID, PID), 1), "LINK: it ends 3 bytes before its frame")
    refused(payload(etf.tuple(2, EMPTY, PID), 1) .. "\0", "SEND: it ends 1 bytes before its frame")
  end)

  it("never raises, wherever it is cut and whatever is wrong in it", function()
    local whole = payload(etf.tuple(6, PID, EMPTY, etf.atom("net_kernel")), gen_call(etf.tuple(etf.atom("is_auth"), PEER)))
    assert(control.take(US, assert(control.read(whole))))
    for cut = 0, #whole - 1 do
      assert.is_nil((control.read(whole:sub(1, cut))), cut)
    end
    for at = 1, #whole do
      for _, byte in ipairs({ 0, 1, 104, 107, 108, 255 }) do
        local read, message = control.read(whole:sub(1, at - 1) .. string.char(byte) .. whole:sub(at + 1))
        if read then control.take(US, read, message) else assert.is_string(message) end
      end
    end
  end)
end)
