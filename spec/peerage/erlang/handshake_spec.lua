-- SPDX-License-Identifier: MIT
local crypto = require("engine.crypto")
local handshake = require("peerage.erlang.handshake")

local FLAGS, PUBLISHED = handshake.FLAGS, handshake.PUBLISHED
local DIGEST_FLAG, NAME_ME = 0x4000000, 2 ^ 33
local DIFFERENT_COOKIES = "wrong cookie: all nodes need the same one, see cookie and cookie_file"
local MOST = 602 -- bytes of the largest frame that is taken

local function unhex(text)
  return (text:gsub("%s", ""):gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local function u16(number) return string.char(math.floor(number / 256), number % 256) end
local function u32(number) return u16(math.floor(number / 65536)) .. u16(number % 65536) end
local function u64(number) return u32(math.floor(number / 2 ^ 32)) .. u32(number % 2 ^ 32) end
local function frame(message) return u16(#message) .. message end

local function name_of(name, flags) return frame("N" .. u64(flags or FLAGS) .. u32(7) .. u16(#name) .. name) end
local function status_of(text) return frame("s" .. text) end
local function challenge_of(name, flags)
  return frame("N" .. u64(flags or FLAGS) .. u32(5) .. u32(7) .. u16(#name) .. name)
end

local function with(options, more)
  for key, value in pairs(more or {}) do options[key] = value end
  return options
end

local function dial(more)
  return handshake.dial(with({
    name = "a@h", peer = "b@h", cookie = "secret", creation = 1, challenge = 2 ^ 32 - 1, flags = FLAGS,
  }, more))
end

local function accept(more)
  return handshake.accept(with({
    name = "b@h", cookie = "secret", creation = 2 ^ 32 - 1, challenge = 0, flags = FLAGS,
    decide = function() return "ok" end,
  }, more))
end

-- Lets two machines talk until nobody has anything to say: what each came to, nil while it waits.
local function talk(dialler, acceptor)
  local to_acceptor, to_dialler, dialled, accepted = dialler:open(), nil, nil, nil
  while to_acceptor or to_dialler do
    if to_acceptor then to_dialler, accepted = acceptor:take(to_acceptor) end
    to_acceptor = nil
    if to_dialler then to_acceptor, dialled = dialler:take(to_dialler) end
    to_dialler = nil
  end
  return dialled, accepted
end

local function failure(reason, message) return { ok = false, reason = reason, message = message } end

-- Recorded of two nodes of OTP 25: what the machine was told, what it said, and whom it met.
local RECORDED = {
  dialler = {
    start = function()
      return handshake.dial({
        name = "a@127.0.0.1", peer = "c@127.0.0.1", cookie = "SECRETCOOKIE", creation = 0x12345678,
        challenge = 0xfedcba98, flags = FLAGS,
      })
    end,
    told = unhex([[0003736f6b
      001e4e0000000d07df7fbd682f4fce6b0341e9000b63403132372e302e302e31 001161832503ab1ea7627dcd1d91334ba37141]]),
    said = unhex([[001a4e0000000d07074fbc12345678000b61403132372e302e302e31
      001572fedcba9822a0562f9169ff1fcbb434fe45c7f7f9]]),
    unchecked = { { 9, 24 } }, -- the places of flags, challenge and creation in what it was told
  },
  acceptor = {
    start = function()
      return handshake.accept({
        name = "z@127.0.0.1", cookie = "SECRETCOOKIE", creation = 0x9abcdef0, challenge = 0x80000001, flags = FLAGS,
        decide = function() return "ok" end,
      })
    end,
    told = unhex([[001a4e0000000d07df7fbd6b0341e9000b63403132372e302e302e31
      001572e64f9fb76fd67df39695c7074fe4cfcca27da170]]),
    said = unhex([[0003736f6b
      001e4e0000000d07074fbc800000019abcdef0000b7a403132372e302e302e31 0011613bcef046ce2fafa595ebcb3d62d44227]]),
    unchecked = { { 4, 28 }, { 32, 35 } }, -- the name, too: no digest covers it
  },
}
local MET = { name = "c@127.0.0.1", creation = 0x6b0341e9, flags = FLAGS, is_hidden = false }

-- Feeds a machine in pieces; all that it said, and the verdict.
local function feed(machine, pieces)
  local said, verdict = machine:open() or "", nil
  for _, piece in ipairs(pieces) do
    local out
    out, verdict = machine:take(piece)
    said = said .. (out or "")
  end
  return said, verdict
end

local function bytes_of(text)
  local bytes = {}
  for i = 1, #text do bytes[i] = text:sub(i, i) end
  return bytes
end

describe("a handshake", function()
  for side, recorded in pairs(RECORDED) do
    describe("that OTP 25 had with a " .. side, function()
      it("is the same byte for byte", function()
        local said, verdict = feed(recorded.start(), { recorded.told })
        assert.equal(recorded.said, said)
        assert.same({ ok = true, peer = MET, rest = "" }, verdict)
      end)

      it("may come in any pieces", function()
        for cut = 1, #recorded.told - 1 do
          local said, verdict = feed(recorded.start(), { recorded.told:sub(1, cut), recorded.told:sub(cut + 1) })
          assert.equal(recorded.said, said)
          assert.is_true(verdict.ok)
        end
        local said, verdict = feed(recorded.start(), bytes_of(recorded.told))
        assert.equal(recorded.said, said)
        assert.same({ ok = true, peer = MET, rest = "" }, verdict)
      end)

      it("leaves what came after it", function()
        local _, verdict = feed(recorded.start(), { recorded.told .. "\0\0\0\0more" })
        assert.equal("\0\0\0\0more", verdict.rest)
      end)

      it("comes to nothing wherever it breaks off", function()
        for cut = 0, #recorded.told - 1 do
          local machine = recorded.start()
          local _, verdict = feed(machine, { recorded.told:sub(1, cut) })
          assert.is_nil(verdict)
          verdict = machine:closed()
          assert.is_false(verdict.ok)
          assert.equal(side == "dialler" and cut == 37 and "wrong cookie" or "closed", verdict.reason)
          assert.same({ nil, verdict }, { machine:take(recorded.told:sub(cut + 1)) })
        end
      end)

      it("does not end well when a byte that counts is another", function()
        local function counts(at)
          for _, range in ipairs(recorded.unchecked) do
            if at >= range[1] and at <= range[2] then return false end
          end
          return true
        end
        for at = 1, #recorded.told do
          for byte = 0, 255 do
            local before, after = recorded.told:sub(1, at - 1), recorded.told:sub(at + 1)
            local machine = recorded.start()
            local _, verdict = feed(machine, { before .. string.char(byte) .. after })
            verdict = verdict or machine:closed()
            if recorded.told:byte(at) ~= byte and counts(at) then
              assert(not verdict.ok, ("byte %d as %d"):format(at, byte))
            end
          end
        end
      end)
    end)
  end

  it("tells each side of the other", function()
    local dialled, accepted = talk(dial({ flags = FLAGS + PUBLISHED }), accept())
    assert.same({ name = "b@h", creation = 2 ^ 32 - 1, flags = FLAGS, is_hidden = true }, dialled.peer)
    assert.same({ name = "a@h", creation = 1, flags = FLAGS, is_hidden = false }, accepted.peer)
    dialled, accepted = talk(dial({ flags = FLAGS + PUBLISHED }), accept({ flags = FLAGS + PUBLISHED }))
    assert.equal(FLAGS + PUBLISHED, dialled.peer.flags)
    assert.equal(FLAGS + PUBLISHED, accepted.peer.flags)
  end)

  it("offers what a hidden node of OTP 25 to 27 needs, and no frames that are hard to read", function()
    assert.equal(0xD07074FBC, FLAGS)
    assert.equal(1, PUBLISHED)
  end)

  it("takes the longest name, and bytes that a later OTP may add", function()
    local name = ("n"):rep(253) .. "@h"
    assert.equal(name, select(2, talk(dial({ name = name }), accept())).peer.name)
    local _, verdict = accept():take(frame(name_of("a@h"):sub(3) .. "more"))
    assert.is_nil(verdict)
    _, verdict = feed(dial(), { status_of("ok"), frame(challenge_of("b@h"):sub(3) .. "more") })
    assert.is_nil(verdict)
  end)

  describe("with another cookie", function()
    it("ends before the acceptor has shown anything of its own", function()
      local dialler, acceptor = dial({ cookie = "other" }), accept()
      local reply = dialler:take((acceptor:take(dialler:open())))
      assert.same({ nil, failure("wrong cookie", DIFFERENT_COOKIES) }, { acceptor:take(reply) })
      assert.same(failure("wrong cookie", DIFFERENT_COOKIES), dialler:closed())
    end)

    it("ends when the acceptor does not prove that it has the cookie", function()
      local _, verdict = feed(dial(), { status_of("ok"), challenge_of("b@h"), frame("a" .. ("x"):rep(16)) })
      assert.same(failure("wrong cookie", DIFFERENT_COOKIES), verdict)
    end)

    it("does not end by echoing the dialler's own proof", function()
      local said = feed(dial({ challenge = 9 }), { status_of("ok"), challenge_of("b@h") })
      local _, verdict = feed(dial({ challenge = 9 }), { status_of("ok"), challenge_of("b@h"), frame("a" .. said:sub(-16)) })
      assert.equal("wrong cookie", verdict.reason)
    end)
  end)

  describe("when both sides connect at once", function()
    it("goes on with ok_simultaneous", function()
      local dialled, accepted = talk(dial(), accept({ decide = function() return "ok_simultaneous" end }))
      assert.is_true(dialled.ok)
      assert.is_true(accepted.ok)
    end)

    it("ends with nok: the other attempt stands", function()
      local dialled, accepted = talk(dial(), accept({ decide = function() return "nok" end }))
      assert.same(failure("nok", "both sides connect at once, and the other side's attempt stands"), dialled)
      assert.same(failure("nok", "both sides connect at once, and our attempt stands"), accepted)
    end)
  end)

  describe("when there is a link already", function()
    local function alive() return "alive" end

    it("goes on if the dialler wants a new one, as it does unless told otherwise", function()
      for _, is_wanted in ipairs({ false, function() return true end }) do
        local dialled, accepted = talk(dial({ is_wanted = is_wanted or nil }), accept({ decide = alive }))
        assert.is_true(dialled.ok)
        assert.is_true(accepted.ok)
      end
    end)

    it("ends if the dialler wants no new one", function()
      local dialled, accepted = talk(dial({ is_wanted = function() return false end }), accept({ decide = alive }))
      assert.same(failure("nok", "the node there has a link with us, which stays"), dialled)
      assert.same(failure("closed", "closed: it gave its attempt up"), accepted)
    end)

    it("wants true or false as the answer", function()
      local _, verdict = feed(accept({ decide = alive }), { name_of("a@h"), status_of("maybe") })
      assert.same(failure("protocol", 'expected the status true or false, found "maybe"'), verdict)
      _, verdict = feed(accept({ decide = alive }), { name_of("a@h"), name_of("a@h") })
      assert.same(failure("protocol", 'expected its status, which begins with "s", found "N"'), verdict)
    end)
  end)

  describe("is refused", function()
    it("by a status, which both sides understand", function()
      local peer
      local dialled, accepted = talk(dial(), accept({ decide = function(found) peer = found return "not_allowed" end }))
      assert.equal("a@h", peer.name)
      assert.same(failure("not allowed", "not allowed: the node there refuses a@h"), dialled)
      assert.same(failure("not allowed", "not allowed: a@h is refused here"), accepted)
    end)

    it("to a node that lacks flags, which are named", function()
      local lacking = FLAGS - DIGEST_FLAG - 0x20000 - 0x4
      local message = "not allowed: a@h lacks EXTENDED_REFERENCES, MAP_TAG"
      assert.same({ status_of("not_allowed"), failure("not allowed", message) }, { accept():take(name_of("a@h", lacking)) })
      local _, verdict = feed(dial(), { status_of("ok"), challenge_of("b@h", lacking) })
      assert.same(failure("not allowed", "not allowed: b@h lacks EXTENDED_REFERENCES, MAP_TAG"), verdict)
    end)

    it("for no flag that OTP 25's digest of them stands for", function()
      local peer
      accept({ decide = function(found) peer = found return "ok" end }):take(name_of("a@h", DIGEST_FLAG))
      assert.equal(0x1070F94 + DIGEST_FLAG, peer.flags)
    end)

    it("for no flag beyond those that exist", function()
      local peer
      local message = "N" .. u32(2 ^ 32 - 3) .. u32(2 ^ 32 - 1) .. u32(7) .. u16(3) .. "a@h" -- all but NAME_ME
      accept({ decide = function(found) peer = found return "ok" end }):take(frame(message))
      assert.equal(FLAGS, peer.flags)
    end)

    it("to a node that wants to be given a name", function()
      local message = "not allowed: it asks to be given a name, which is not supported"
      local out, verdict = accept():take(name_of("127.0.0.1", FLAGS + NAME_ME))
      assert.equal(status_of("not_allowed"), out)
      assert.same(failure("not allowed", message), verdict)
    end)

    it("to a node of the same name", function()
      local out, verdict = accept():take(name_of("b@h"))
      assert.equal(status_of("not_allowed"), out)
      assert.same(failure("conflict", "conflict: it is called b@h, too"), verdict)
    end)

    it("to a node that is not the one that was dialled, which gets no digest", function()
      local dialler = dial()
      dialler:take(status_of("ok"))
      local out, verdict = dialler:take(challenge_of("c@h"))
      assert.is_nil(out)
      assert.same(failure("conflict", "conflict: the node there is called c@h"), verdict)
    end)
  end)

  describe("with bad input", function()
    local function of_acceptor(...) return (select(2, feed(accept(), { ... }))) end
    local function of_dialler(...) return (select(2, feed(dial(), { ... }))) end

    it("knows what else there is in the world", function()
      local tls = "it speaks TLS: distribution over TLS is not supported"
      assert.same(failure("protocol", tls), of_dialler("\21\3"))
      assert.same(failure("protocol", tls), of_acceptor("\22\3\1\2\0\1\0"))
      assert.same(failure("protocol", "it speaks HTTP"), of_dialler("HTTP/1.1 400 Bad Request\r\n"))
      assert.same(failure("protocol", "it speaks HTTP"), of_acceptor("GET / HTTP/1.1\r\n"))
      assert.same(failure("protocol", "it speaks SSH"), of_dialler("SSH-2.0-x\r\n"))
    end)

    it("knows the handshake of old nodes", function()
      local message = "it speaks the handshake of OTP 22 or older, expected that of OTP 23 or later"
      assert.same(failure("protocol", message), of_acceptor(frame("n" .. u16(5) .. u32(0x7fffffff) .. "a@h")))
      assert.same(failure("protocol", message), of_dialler(status_of("ok"), frame("n" .. u16(5) .. u32(0) .. u32(0) .. "b@h")))
    end)

    it("refuses a large frame at its header, and takes the largest that it may be", function()
      assert.is_nil(of_acceptor(u16(600)))
      assert.same(
        failure("protocol", "it announces a frame of 601 bytes, at most 600 are expected"), of_acceptor(u16(601))
      )
      assert.same("protocol", of_dialler("\255\255").reason)
    end)

    it("holds nothing of it once it has refused it", function()
      local machine = accept()
      machine:take(("\255"):rep(65536))
      assert.equal("", machine.buffer)
    end)

    it("says what was expected in place of it", function()
      local function expect(message, verdict) assert.same(failure("protocol", message), verdict) end
      expect('expected its name, which begins with "N", found an empty frame', of_acceptor(frame("")))
      expect('expected its name, which begins with "N", found "\\000"', of_acceptor(frame("\0")))
      expect("its name has 14 bytes, expected at least 15", of_acceptor(frame("N" .. ("x"):rep(13))))
      expect('expected its status, which begins with "s", found "N"', of_dialler(challenge_of("b@h")))
      expect('expected a status such as ok or not_allowed, found "okay"', of_dialler(status_of("okay")))
      expect('expected a status such as ok or not_allowed, found ""', of_dialler(status_of("")))
      expect("it gives us another name, which is not supported", of_dialler(status_of("named:\0\3a@h\0\0\0\1")))
      expect("its challenge has 18 bytes, expected at least 19", of_dialler(status_of("ok"), frame("N" .. ("x"):rep(17))))
      expect("its reply to the challenge has 22 bytes, expected 21", of_acceptor(name_of("a@h"), frame("r" .. ("x"):rep(21))))
      expect("its acknowledgement has 16 bytes, expected at least 17",
        of_dialler(status_of("ok"), challenge_of("b@h"), frame("a" .. ("x"):rep(15))))
      expect("its acknowledgement has 18 bytes, expected 17",
        of_dialler(status_of("ok"), challenge_of("b@h"), frame("a" .. ("x"):rep(17))))
    end)

    it("refuses a length that lies", function()
      local message = frame("N" .. u64(FLAGS) .. u32(7) .. u16(65535) .. "a@h")
      assert.same(failure("protocol", "its name says that a name of 65535 bytes follows, found 3"), of_acceptor(message))
      message = frame("N" .. u64(FLAGS) .. u32(5) .. u32(7) .. u16(4) .. "b@h")
      assert.same(
        failure("protocol", "its challenge says that a name of 4 bytes follows, found 3"),
        of_dialler(status_of("ok"), message)
      )
    end)

    it("refuses what is no name, and shows it harmlessly", function()
      local verdict = of_acceptor(name_of("a\27[2J@h"))
      assert.equal("protocol", verdict.reason)
      assert.truthy(verdict.message:find('found "a\\027[2J@h"', 1, true), verdict.message)
      assert.equal("protocol", of_acceptor(name_of("")).reason)
      assert.equal("protocol", of_acceptor(name_of(("n"):rep(254) .. "@h")).reason)
    end)

    it("never raises, and holds no more than a frame of it", function()
      for round = 1, 300 do
        local garbage = crypto.random(MOST)
        local announced = frame(garbage:sub(3, 2 + round)) .. garbage
        for _, text in ipairs({ garbage, announced, "\0\1" .. garbage, name_of("a@h") .. announced }) do
          for _, machine in ipairs({ dial(), accept() }) do
            local _, verdict = feed(machine, { text })
            verdict = verdict or machine:closed()
            assert.is_false(verdict.ok)
          end
        end
      end
    end)

    it("decides once a whole frame is there, however slowly it comes", function()
      local machine = accept()
      machine:take(u16(600))
      for _ = 1, 599 do assert.is_nil(select(2, machine:take("x"))) end
      assert.equal("protocol", select(2, machine:take("x")).reason)
    end)
  end)

  describe("that the other side breaks off", function()
    local function after(machine, ...)
      feed(machine, { ... })
      return machine:closed()
    end

    it("says how far it got", function()
      assert.same(failure("closed", "closed: by the other side, in answer to our name: it may want TLS, or be of OTP 22 or older"),
        after(dial()))
      assert.same(failure("closed", "closed: by the other side, before its challenge"), after(dial(), status_of("ok")))
      assert.same(failure("closed", "closed: by the other side, before it said its name"), after(accept()))
      assert.same(failure("closed", "closed: by the other side, in answer to our challenge: it may want other flags"),
        after(accept(), name_of("a@h")))
      assert.same(failure("closed", "closed: by the other side, asked whether it wants a new link in place of the old"),
        after(accept({ decide = function() return "alive" end }), name_of("a@h")))
      assert.same(failure("closed", "closed: in the middle of a message of the handshake"), after(accept(), "\0"))
    end)

    it("was by the cookie only if the whole reply was heard", function()
      assert.equal("closed", after(dial(), status_of("ok"), challenge_of("b@h"), "\0").reason)
    end)

    it("keeps the verdict that was there before", function()
      local machine = accept()
      local _, verdict = machine:take(name_of("b@h"))
      assert.equal(verdict, machine:closed())
      assert.same({ nil, verdict }, { machine:take("more") })
    end)
  end)

  describe("that is asked for wrongly", function()
    it("raises, and shows no cookie", function()
      assert.error_matches(function() dial({ peer = "nobody" }) end, 'handshake.dial: peer: expected a node name, found "nobody"', 1, true)
      assert.error_matches(function() accept({ challenge = 2 ^ 32 }) end, "challenge: expected an integer of 32 bits", 1, true)
      assert.error_matches(function() accept({ challenge = 0.5 }) end, "challenge: expected an integer of 32 bits", 1, true)
      assert.error_matches(function() accept({ flags = 2 ^ 53 }) end, "flags: expected an integer below 2^53", 1, true)
      assert.error_matches(function() handshake.accept({}) end, "handshake.accept: name: ", 1, true)
      assert.error_matches(function() accept({ decide = function() return "yes" end }):take(name_of("a@h")) end,
        'decide: expected a status, found "yes"', 1, true)
      for _, cookie in ipairs({ "", ("k"):rep(256) }) do
        local _, message = pcall(dial, { cookie = cookie })
        assert.truthy(message:find("cookie: expected 1 to 255 bytes, found something else", 1, true), message)
      end
    end)
  end)

  it("leaves the options alone", function()
    local function decide() return "ok" end
    local function options()
      return { name = "a@h", peer = "b@h", cookie = "secret", creation = 1, challenge = 3, flags = FLAGS, decide = decide }
    end
    for _, make in ipairs({ handshake.dial, handshake.accept }) do
      local given = options()
      make(given):open()
      assert.same(options(), given)
      assert.is_nil(getmetatable(given))
    end
  end)
end)
