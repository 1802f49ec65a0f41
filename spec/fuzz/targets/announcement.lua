-- SPDX-License-Identifier: MIT
--- Datagrams into provider udp, through real sockets: only valid names are taken, with a secret only signed ones.
local announcement = require("peerage.announcement")
local big_endian = require("peerage.big_endian")
local crypto = require("engine.crypto")
local group_member = require("support.group_member")
local mutate = require("fuzz.mutate")
local node = require("peerage.node")
local task = require("engine.task")
local timer = require("engine.timer")
local chance, pick, random = mutate.chance, mutate.pick, math.random

local M = { waits = true, own_tasks = 4 } -- each provider's announcer waits now with a limit, now without one

local SECRET, OTHER = "a secret of the group", "a secret of nobody here"
local CONTEXT = announcement.context(group_member.GROUP, 45900)
local MOST_ROUNDS = 500 -- with one provider: what it remembers grows up to max_nodes
local LONGEST = 2000 -- bytes of a datagram: the socket's buffer must hold a whole round
local MAC, HEAD = 32, 23 -- bytes: of a MAC, and before a name's length
local RAW, FRESH = 0, 2 -- as it is; with the time of now, and like 1 with a MAC of ours instead of its own
local NAMES = {
  "a@b", "app@10.0.0.1", group_member.NAME, ("n"):rep(253) .. "@h", ("n"):rep(254) .. "@h", "@", "a@b\n", "a@\0", "", "\255@h",
}

local function signed(name)
  local said = {
    type = pick({ "announce", "leave" }), instance = chance(50) and group_member.INSTANCE or mutate.noise(8),
    stamp = random(0, 2 ^ 31) * 2 ^ 21, name = name,
  }
  return announcement.write_signed(said, pick({ SECRET, OTHER }), CONTEXT)
end

local function datagram()
  local name = pick(NAMES)
  local data = chance(40) and announcement.write_plain(name) or signed(name:sub(1, 255))
  return chance(30) and data or mutate.bytes(data, signed("a@b")):sub(1, LONGEST)
end

--- A byte for whether there is a secret, then datagrams: how each is signed, its length in 2 bytes, itself.
function M.generate()
  return string.char(random(0, 1)) .. mutate.several(1, 12, function()
    local data = datagram()
    return string.char(random(0, 2)) .. big_endian.u16(#data) .. data
  end)
end

local members, rounds, markers

function M.close()
  for _, member in next, members or {} do member:stop() end
  members = nil
end

function M.open()
  M.close()
  members = { [0] = group_member.start(), [1] = group_member.start({ options = { secret = SECRET } }) }
  rounds, markers = 0, 0
end

local function sign_anew(how, data, context)
  if how == RAW or #data <= MAC then return data end
  local head = data:sub(1, -MAC - 1)
  if how == FRESH and #head >= HEAD then
    head = head:sub(1, 15) .. big_endian.u64(timer.wall_clock()) .. head:sub(HEAD + 1)
  end
  return head .. crypto.hmac_sha256(SECRET, context .. head)
end

local function read_datagrams(input, context)
  local list, at = {}, 2
  while at + 3 <= #input do
    local how, size = input:byte(at) % 3, big_endian.read_u16(input, at + 1)
    list[#list + 1] = sign_anew(how, input:sub(at + 3, at + 2 + size), context)
    at = at + 3 + size
  end
  return list
end

-- The name that it may add; nil: none.
local function name_of(data, has_secret, context)
  local plain = announcement.read_plain(data)
  assert(not plain or node.is_name(plain), "a name that is none")
  local said, reason = announcement.read_signed(data, { SECRET }, context)
  if not said then
    assert(reason == "malformed" or reason == "mac", "a refusal without a reason")
    return not has_secret and plain or nil
  end
  assert(node.is_name(said.name) and #said.instance == 8 and said.stamp >= 0, "an announcement that is none")
  return has_secret and said.name or nil
end

-- Names that are there once all that was sent before has been looked at.
local function names_after(member, has_secret)
  markers = markers + 1
  local marker = ("marker%d@here"):format(markers)
  member:say(has_secret and member:sign({ name = marker }, SECRET) or announcement.write_plain(marker))
  local peers = member.self.state.peers
  while not peers[marker] do task.sleep(0) end
  return member:names()
end

function M.run(input)
  if #input < 1 then return end
  rounds = rounds + 1
  if rounds > MOST_ROUNDS then M.open() end
  local has_secret = input:byte(1) % 2 == 1
  local member = members[input:byte(1) % 2]
  local context = announcement.context(group_member.GROUP, member.port)
  member.allowed = member.allowed or {}
  for _, data in ipairs(read_datagrams(input, context)) do
    local name = name_of(data, has_secret, context)
    if name then member.allowed[name] = true end
    if #data > 0 and #data <= LONGEST + MAC then member:say(data) end
  end
  for _, name in ipairs(names_after(member, has_secret)) do
    assert(member.allowed[name] or name:find("^marker%d+@here$"), "a name that nobody may add: " .. name)
    assert(name ~= group_member.NAME, "our own name is another's")
  end
end

return M
