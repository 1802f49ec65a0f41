-- SPDX-License-Identifier: MIT
--- EPMD: requests into the server and replies into the client, over sockets and as bytes.
local Server = require("peerage.erlang.epmd.server")
local epmd = require("peerage.erlang.epmd")
local log = require("engine.log")
local messages = require("peerage.erlang.epmd.messages")
local mutate = require("fuzz.mutate")
local scopes = require("engine.scope")
local task = require("engine.task")
local tcp = require("engine.tcp")
local chance, pick, random, several = mutate.chance, mutate.pick, math.random, mutate.several

local M = { waits = true }

local HOST = "127.0.0.1"
local TIMEOUT = 2 -- seconds
local ALIVE_TAG = "\120" -- after it the connection stays open
local TO_SERVER, PORT, NAMES, ALIVE = "s", "p", "n", "a"
local NODE_NAMES = { "a", "app", ("n"):rep(255), ("n"):rep(256), "", "a b", "a\n", "\0", "\195\164", "name a at port 1\n" }

local REQUESTS = {
  function() return messages.alive({ name = pick(NODE_NAMES), port = random(0, 65535), hidden = chance(50) }) end,
  function() return messages.port_please(pick(NODE_NAMES)) end,
  function() return messages.names() end,
  function() return pick({ "\0\1k", "\0\1d", "\0\2sx", "\0\0", "\255\255" }) end,
}

local function entry()
  return { name = pick(NODE_NAMES), port = random(0, 65535), type = 77, protocol = 0, high = 6, low = pick({ 5, 6, 7 }), extra = "" }
end

local REPLIES = {
  [PORT] = function() return messages.port_reply(chance(80) and entry() or nil) end,
  [ALIVE] = function() return messages.alive_reply(random(5, 6), chance(80) and random(0, 2 ^ 31) or nil) end,
  [NAMES] = function()
    local entries = {}
    for i = 1, random(0, 5) do entries[i] = entry() end
    return messages.names_reply(4369, entries)
  end,
}

--- The first byte says who gets the rest: the server, or one of the client's questions.
function M.generate()
  local to = pick({ TO_SERVER, TO_SERVER, PORT, ALIVE, NAMES })
  local write = REPLIES[to] or function() return pick(REQUESTS)() end
  local bytes = chance(80) and write() or several(2, 3, write)
  return to .. (chance(20) and bytes or mutate.bytes(bytes, write()))
end

local scope, server, listener, port, reply

local function answer(stream)
  stream:read(2)
  stream:write(reply)
  stream:close()
end

local function serve()
  for stream in function() return listener:accept() end do answer(stream) end
end

function M.open()
  scope = scopes.new("fuzz")
  server = assert(Server.start({ port = 0, scope = scope, log = log, deadline = TIMEOUT }))
  listener = assert(scope:run(tcp.listen, { host = HOST, port = 0 }))
  port = select(2, listener:address())
  scope:spawn(serve)
end

function M.close() scope:close() end

local function read_all(stream)
  local parts = {}
  for part in function() return stream:read() end do parts[#parts + 1] = part end
  return table.concat(parts)
end

local function await_release()
  for _ = 1, 1000 do
    if server:counters().names == 0 then return end
    task.sleep(0.001)
  end
  error("a name stays registered after its connection ended")
end

-- As bytes, and over a connection that sends no more after them.
local function ask_server(bytes)
  if #bytes > 2 then
    local request, reason = messages.read_request(bytes:sub(3))
    assert(request or type(reason) == "string", "a refusal without a reason")
  end
  local stream = assert(tcp.connect({ host = HOST, port = server.port, timeout = TIMEOUT }))
  stream:write(bytes)
  local is_whole = #bytes >= 2 and #bytes >= 2 + messages.read_size(bytes)
  if is_whole and bytes:sub(3, 3) == ALIVE_TAG then
    stream:read(2)
  elseif is_whole then
    assert(#read_all(stream) < 65536, "an endless answer")
  end
  stream:close()
  await_release()
end

local QUESTIONS = {
  [PORT] = function(options)
    local found, message = epmd.port_of("app", HOST, options)
    assert(not found or found >= 1 and found <= 65535, "a port that is none")
    return found, message
  end,
  [NAMES] = function(options)
    local found, message = epmd.names(HOST, options)
    for _, each in ipairs(found or {}) do assert(each.name ~= "" and type(each.port) == "number", "a node that is none") end
    return found, message
  end,
  [ALIVE] = function(options)
    local stream, creation = epmd.register({ name = "app", port = 1 }, options)
    if not stream then return nil, creation end
    stream:close()
    assert(creation >= 0 and creation < 2 ^ 32, "a creation that is none")
    return creation
  end,
}

function M.run(input)
  local to = input:sub(1, 1)
  if to == TO_SERVER then return ask_server(input:sub(2)) end
  if not QUESTIONS[to] then return end
  reply = input:sub(2)
  local found, message = QUESTIONS[to]({ port = port, timeout = TIMEOUT })
  assert(found or type(message) == "string" and #message < 2000, "no message, or an endless one")
end

return M
