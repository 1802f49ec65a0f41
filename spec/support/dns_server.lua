-- SPDX-License-Identifier: MIT
--- A scripted DNS server on loopback, UDP and TCP on one port, for answers that no real server gives.
local task = require("engine.task")
local tcp = require("engine.tcp")
local udp = require("engine.udp")

local M = {}
M.__index = M

local HOST = "127.0.0.1"
local ATTEMPTS = 20 -- to find a port that is free for both
local TYPES = { A = 1, NS = 2, CNAME = 5, PTR = 12, MX = 15, TXT = 16, AAAA = 28, SRV = 33 }
local TYPE_NAMES = {}
for name, number in pairs(TYPES) do TYPE_NAMES[number] = name end

local function u16(number) return string.char(math.floor(number / 256) % 256, number % 256) end
local function u32(number) return u16(math.floor(number / 65536)) .. u16(number % 65536) end

local function encode_text(text) return string.char(#text) .. text end

--- A name as it stands in a packet, uncompressed.
function M.encode_name(name)
  local labels = {}
  for label in name:gmatch("[^.]+") do labels[#labels + 1] = encode_text(label) end
  return table.concat(labels) .. "\0"
end

local encode_data = {
  A = function(address)
    return (address:gsub("(%d+)%.?", function(part) return string.char(tonumber(part)) end))
  end,
  AAAA = function(address) -- all eight groups written out
    return (address:gsub("(%x+):?", function(group) return u16(tonumber(group, 16)) end))
  end,
  MX = function(data) return u16(data.priority) .. M.encode_name(data.target) end,
  SRV = function(data) return u16(data.priority) .. u16(data.weight) .. u16(data.port) .. M.encode_name(data.target) end,
  TXT = function(parts)
    local texts = {}
    for i, part in ipairs(parts) do texts[i] = encode_text(part) end
    return table.concat(texts)
  end,
}
encode_data.CNAME, encode_data.NS, encode_data.PTR = M.encode_name, M.encode_name, M.encode_name

--- A record for `answers`. `owner` is the question's name unless given.
---@param kind string its type
---@param data any an address, a target, { priority, weight, port, target }, or a list of texts
---@param options { owner: string?, ttl: number?, raw: string? }? raw: the data as bytes
function M.record(kind, data, options)
  options = options or {}
  local owner = options.owner and M.encode_name(options.owner) or "\192\12"
  local bytes = options.raw or encode_data[kind](data)
  return owner .. u16(TYPES[kind]) .. u16(1) .. u32(options.ttl or 60) .. u16(#bytes) .. bytes
end

local function read_question(bytes, transport)
  local labels, at = {}, 13
  while bytes:byte(at) ~= 0 do
    local length = bytes:byte(at)
    labels[#labels + 1] = bytes:sub(at + 1, at + length)
    at = at + 1 + length
  end
  local kind = TYPE_NAMES[bytes:byte(at + 1) * 256 + bytes:byte(at + 2)]
  return {
    name = table.concat(labels, "."):lower(),
    type = kind,
    transport = transport,
    id = bytes:sub(1, 2),
    section = bytes:sub(13, at + 4),
  }
end

--- The bytes of a reply: { rcode, answers = {records}, truncated, count (what the header says), id }.
function M.encode_reply(question, reply)
  local answers = reply.answers or {}
  local flags = 0x8180 + (reply.rcode or 0) + (reply.truncated and 0x200 or 0)
  local header = (reply.id or question.id) .. u16(flags) .. u16(1) .. u16(reply.count or #answers) .. u16(0) .. u16(0)
  return header .. question.section .. table.concat(answers)
end

--- What to send for a packet: a list of byte strings.
---@param port integer? whence it came by UDP
function M:reply_to(bytes, transport, port)
  local question = read_question(bytes, transport)
  question.port = port
  self.questions[#self.questions + 1] = question
  local behaviour = self.names[question.name] or { rcode = 3 }
  local reply = behaviour
  if type(behaviour) == "function" then reply = behaviour(question) end
  local packets = {}
  for i, each in ipairs(reply == nil and {} or type(reply) == "table" and reply[1] and reply or { reply }) do
    packets[i] = type(each) == "string" and each or M.encode_reply(question, each)
  end
  return packets
end

function M:serve_udp()
  for bytes, sender in self.udp:messages() do
    local host, port = sender:address()
    for _, packet in ipairs(self:reply_to(bytes, "udp", port)) do self.udp:send(packet, host, port) end
  end
end

function M:serve_tcp()
  while true do
    local stream = self.tcp:accept()
    if not stream then return end
    self.streams[#self.streams + 1] = stream
    self.tasks[#self.tasks + 1] = task.spawn(function()
      local size = stream:read(2)
      while size do
        local bytes = stream:read(size:byte(1) * 256 + size:byte(2))
        if not bytes then break end
        for _, packet in ipairs(self:reply_to(bytes, "tcp")) do stream:write(u16(#packet) .. packet) end
        size = stream:read(2)
      end
      stream:close()
    end)
  end
end

local function open(host)
  for _ = 1, ATTEMPTS do
    local socket = assert(udp.open({ host = host }))
    local _, port = socket:address()
    local listener = tcp.listen({ host = host, port = port })
    if listener then return socket, listener, port end
    socket:close()
  end
  error("no port is free for both UDP and TCP")
end

--- Starts a server. Each name has a reply, a list of replies, or a function of the question that gives one or nil
--- (silence); a reply that is a string is sent as it is. Other names do not exist.
---@param names table<string, table|fun(question: { name: string, type: string, transport: string }): any>
---@param host string? an address; 127.0.0.1 unless given
function M.start(names, host)
  host = host or HOST
  local self = setmetatable({ names = names, questions = {}, tasks = {}, streams = {} }, M)
  self.udp, self.tcp, self.port = open(host)
  self.address = (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, self.port)
  self.tasks[1] = task.spawn(self.serve_udp, self)
  self.tasks[2] = task.spawn(self.serve_tcp, self)
  return self
end

--- How many questions came for `name`, of a type and over a transport if given.
function M:count(name, kind, transport)
  local count = 0
  for _, question in ipairs(self.questions) do
    local is_one = question.name == name and (not kind or question.type == kind)
    if is_one and (not transport or question.transport == transport) then count = count + 1 end
  end
  return count
end

function M:stop()
  self.udp:close()
  self.tcp:close()
  for _, each in ipairs(self.tasks) do each:cancel() end
  for _, each in ipairs(self.streams) do each:close() end
end

return M
