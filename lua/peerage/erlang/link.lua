-- SPDX-License-Identifier: MIT
--- A link to another node, its handshake done: cuts what comes into frames, sends frames, ticks, and matches answers to
--- calls. Invariant: frames go out whole and in order, and a link that has ended says so once, with the reason.
local Frames = require("peerage.erlang.frames")
local control = require("peerage.erlang.control")
local task = require("engine.task")
local timer = require("engine.timer")

local M = {}
M.__index = M

local NOBODYS = { 0 } -- the reference of a question whose answer nobody waits for
local MOST_UNSENT = 65536 -- bytes; while more wait to be sent, nothing is read
local MOST_ANSWER = 65536 -- bytes; an answer echoes what it answers, and nobody honest sends so much to be echoed
local LARGE = 1024 * 1024 -- bytes of a frame whose remains are collected at once: they are many times as large

---@class peerage.Link
---@field peer { name: string, creation: integer, flags: number, is_hidden: boolean }
---@field stream engine.tcp.Stream

---@class peerage.LinkSpec
---@field stream engine.tcp.Stream owned by the link from now on
---@field peer table as the handshake gave it
---@field rest string bytes that came after the handshake
---@field self_node { name: string, creation: integer }
---@field scope engine.scope of its tasks
---@field max_frame integer bytes
---@field refusals peerage.Refusals
---@field on_end fun(link: peerage.Link) called once, when it has ended; it must not wait

---@param spec peerage.LinkSpec
---@return peerage.Link
function M.new(spec)
  local now = timer.now()
  return setmetatable({
    stream = spec.stream, peer = spec.peer, rest = spec.rest, self_node = spec.self_node, scope = spec.scope,
    frames = Frames.new(spec.max_frame),
    read_at = now, sent_at = now, ticked_at = -math.huge,
    unsent = {}, unsent_size = 0,
    refusals = spec.refusals, on_end = spec.on_end,
    calls = {}, -- those who wait for an answer, by its reference
  }, M)
end

local function flush(self)
  while #self.unsent > 0 do
    local data = table.concat(self.unsent)
    self.unsent = {}
    if not self.stream:write(data) then break end -- the reader sees why
    self.unsent_size = self.unsent_size - #data
  end
  self.is_flushing = false
  if self.drained then self.drained:push(true) end
end

--- Sends frames. Does not wait.
---@param bytes string
function M:send(bytes)
  self.unsent[#self.unsent + 1], self.unsent_size = bytes, self.unsent_size + #bytes
  self.sent_at = timer.now()
  if self.is_flushing then return end
  self.is_flushing = true
  self.scope:spawn(flush, self)
end

-- One tick is answered unless something was sent since the one before: two that tick each other fall silent again, and
-- a peer with a shorter ticktime than ours hears from us in its own time.
local function take_tick(self)
  if self.sent_at <= self.ticked_at then self:send(control.TICK) end
  self.ticked_at = timer.now()
end

local function take_frame(self, payload)
  local operation, message = control.read(payload)
  if not operation then return "protocol error: " .. message end
  local answers, reply, ignored = control.take(self.self_node, operation, message)
  for _, answer in ipairs(answers or {}) do
    if #answer <= MOST_ANSWER then self:send(answer) end
  end
  if ignored then self.refusals:count(ignored) end
  local call = reply and self.calls[reply.reference]
  if not call then return end
  self.calls[reply.reference] = nil
  call.answer:push(reply)
end

-- Takes the frames that are whole. Returns why the link must end, if it must.
local function take_frames(self)
  local largest = 0
  while true do
    local payload, message = self.frames:next()
    if not payload then
      if largest >= LARGE then collectgarbage() end
      return message and "protocol error: " .. message
    end
    local failure
    if payload == "" then take_tick(self) else failure = take_frame(self, payload) end
    if failure then return failure end
    largest = math.max(largest, #payload)
  end
end

local function wait_until_sent(self)
  self.drained = task.queue(1)
  while self.unsent_size > MOST_UNSENT and self.is_flushing do self.drained:pop() end
  self.drained = nil
end

--- Reads until the link ends. Waits.
function M:run()
  local data, failure = self.rest, nil
  self.rest = nil
  while data do
    self.frames:add(data)
    failure = take_frames(self)
    if failure then break end
    if self.unsent_size > MOST_UNSENT then wait_until_sent(self) end
    data = self.stream:read()
    self.read_at = timer.now()
  end
  self:close(failure)
end

--- Says that we are there, or that the peer is no more. One that is silent is asked: a BEAM node does not answer ticks,
--- and its own come by its own ticktime, which may be longer than ours.
---@param ticktime number seconds
---@param slack number seconds that a tick may come early: how often this is called
function M:tick(ticktime, slack)
  local now = timer.now()
  for key, call in next, self.calls do -- of those who were ended while they waited
    if call.deadline < now then self.calls[key] = nil end
  end
  local silence = now - self.read_at
  if silence >= ticktime then return self:close("tick timeout") end
  if self.unsent_size > 0 then return end
  if silence >= ticktime / 2 then
    self:send((control.ping(self.self_node, NOBODYS)))
  elseif now - self.sent_at >= ticktime / 4 - slack then
    self:send(control.TICK)
  end
end

--- Counts silence from now on: this process itself was stopped meanwhile.
function M:forgive() self.read_at = timer.now() end

--- Sends what asks for an answer, and waits for that.
---@param key string of the reference that the answer bears
---@param frames string
---@param seconds number
---@return any value a term, or nil
---@return string? message, string? code "ETIMEDOUT", "ECONNRESET"
function M:call(key, frames, seconds)
  if self.reason then return nil, self.reason, "ECONNRESET" end
  local answer = task.queue(1)
  self.calls[key] = { answer = answer, deadline = timer.now() + seconds }
  self:send(frames)
  local reply, message, code = task.timeout(seconds, answer.pop, answer)
  self.calls[key] = nil
  if not reply then return nil, message, code end
  if reply.reason then return nil, reply.reason, "ECONNRESET" end
  return reply.value
end

--- Ends it. The first reason counts.
---@param reason string|nil nil: "closed"
function M:close(reason)
  if self.reason then return end
  self.reason = reason or "closed"
  self.stream:close()
  for _, call in next, self.calls do call.answer:push({ reason = self.reason }) end
  self:on_end()
end

return M
