-- SPDX-License-Identifier: MIT
--- TCP with a nap wherever something waits: before and after each connect, accept, read and write of the process.
local tcp = require("engine.tcp")

local M = {}

-- The same function, with naps around it.
local function with_naps(nap, fn)
  return function(...)
    nap()
    local first, second, third = fn(...)
    nap()
    return first, second, third
  end
end

local function slow_stream(nap, stream)
  local read = with_naps(nap, function(...) return stream:read(...) end)
  local write = with_naps(nap, function(...) return stream:write(...) end)
  return {
    read = function(_, ...) return read(...) end,
    write = function(_, ...) return write(...) end,
    peer = function() return stream:peer() end,
    close = function() return stream:close() end,
  }
end

local function slow_listener(nap, listener)
  local accept = with_naps(nap, function() return listener:accept() end)
  return {
    accept = function()
      local stream, message, code = accept()
      if not stream then return nil, message, code end
      return slow_stream(nap, stream)
    end,
    address = function() return listener:address() end,
    close = function() return listener:close() end,
  }
end

--- Makes what is opened from now on slow.
---@param nap fun() waits as long as it likes
---@return fun() stop what is opened after it is as fast as ever
function M.start(nap)
  local connect, listen = tcp.connect, tcp.listen
  local slow_connect = with_naps(nap, connect)
  function tcp.connect(options)
    local stream, message, code = slow_connect(options)
    if not stream then return nil, message, code end
    return slow_stream(nap, stream)
  end
  function tcp.listen(options)
    local listener, message, code = listen(options)
    if not listener then return nil, message, code end
    return slow_listener(nap, listener)
  end
  return function() tcp.connect, tcp.listen = connect, listen end
end

return M
