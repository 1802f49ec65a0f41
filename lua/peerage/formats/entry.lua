-- SPDX-License-Identifier: MIT
--- One node as files and APIs write it: a node name, or a host, which app_name makes a node name of; a port may follow.
--- Invariant: what is not understood has a message, and is never left out without one, for fewer nodes would be an answer.
local describe = require("peerage.describe")
local json = require("engine.json")
local node = require("peerage.node")

local M = {}

local MOST_KEYS = 6 -- that a message shows

--- What a value is in JSON's words.
---@param value any
---@return string
function M.kind(value)
  if type(value) ~= "table" then return describe.value(value) end
  return (json.is_array(value) or rawget(value, 1) ~= nil) and "a list" or "an object"
end

local function read_port(text)
  local port = #text <= 5 and text:find("^%d+$") and tonumber(text)
  if port and port >= 1 and port <= 65535 then return port end
  return nil, "expected a port from 1 to 65535, found " .. describe.text(text)
end

-- A host with one colon has a port; more are an IPv6 address, whose port follows brackets.
local function split_port(host)
  local address, rest = host:match("^%[([^%]]*)%](.*)$")
  if address then
    if rest == "" then return address end
    if rest:sub(1, 1) ~= ":" then return nil, 'expected ":" and a port after the "]", found ' .. describe.text(rest) end
    return address, nil, rest:sub(2)
  end
  local name, port = host:match("^([^:]*):([^:]*)$")
  return name or host, nil, port
end

local function full_name(name, host, app_name)
  if name then return node.check_name(name .. "@" .. host) end
  if app_name then return node.check_name(app_name .. "@" .. host) end
  if host ~= "" and node.is_name("x@" .. host) then
    return nil, ("expected a node name, found the host %s: set app_name, which makes app_name@%s of it"):format(
      describe.text(host), host)
  end
  return node.check_name(host)
end

--- Reads "app@10.0.0.1", "app@10.0.0.1:9000"; with an app_name also "10.0.0.1", "web1:9000", "[fd00::1]:9000".
---@param text string
---@param app_name string|nil
---@return peerage.Node|nil node
---@return string? message
function M.read(text, app_name)
  local name, host = text:match("^([^@]*)@(.*)$")
  local bare, message, port = split_port(host or text)
  if not bare then return nil, message end
  if port then
    port, message = read_port(port)
    if not port then return nil, describe.text(text) .. ": " .. message end
  end
  local full
  full, message = full_name(name, bare, app_name)
  if full then return { name = full, port = port } end
  return nil, not name and app_name and describe.text(text) .. ": " .. message or message
end

-- Some keys of an object, for a message.
local function keys_of(object)
  local keys = {}
  for key in next, object do
    if #keys == MOST_KEYS then
      keys[#keys] = "…"
      break
    end
    keys[#keys + 1] = describe.key(key)
  end
  if #keys == 0 then return "one that is empty" end
  table.sort(keys)
  return "one with " .. table.concat(keys, ", ")
end

local function refuse(value)
  if type(value) ~= "table" or M.kind(value) == "a list" then
    return nil, 'expected a node, such as "app@10.0.0.1" or an object with such a name, found ' .. M.kind(value)
  end
  local name = rawget(value, "name")
  if name == nil then return nil, "expected an object with a name, found " .. keys_of(value) end
  return nil, 'name: expected "app@10.0.0.1", or a host, found ' .. M.kind(name)
end

--- Reads what stands in a decoded list: a text as above, or an object with `name`, and perhaps `port` and `meta`.
---@param value any
---@param app_name string|nil
---@return peerage.Node|nil node
---@return string? message
function M.of(value, app_name)
  if type(value) == "string" then return M.read(value, app_name) end
  if type(value) ~= "table" or type(rawget(value, "name")) ~= "string" then return refuse(value) end
  local read, message = M.read(rawget(value, "name"), app_name)
  local port, meta = rawget(value, "port"), rawget(value, "meta")
  if not read or port == nil and meta == nil then return read, message end
  if type(port) == "string" then
    port, message = read_port(port)
    if not port then return nil, "port: " .. message end
  end
  return node.parse({ name = read.name, port = port or read.port, meta = meta })
end

return M
