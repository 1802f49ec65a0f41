-- SPDX-License-Identifier: MIT
---@meta engine.tcp
--- TCP connections and listeners, and Unix sockets. What is opened belongs to the running task's scope.

---@class engine.tcp
local M = {}

---@class engine.tcp.SocketOptions
---@field nodelay? boolean send small writes at once (TCP_NODELAY); default true
---@field keepalive? integer seconds of silence after which the peer is asked whether it is there, 1 to 32767. Asked anew
---  after a third of that. Default: never
---@field user_timeout? integer seconds without an acknowledgement after which the connection counts as broken
---  (TCP_USER_TIMEOUT), 1 to 86400. Default: the system's, about 15 minutes

---@class engine.tcp.ConnectOptions: engine.tcp.SocketOptions
---@field host? string a name, looked up by engine.dns, or an address: "10.0.0.1", "::1", "fe80::1%eth0"
---@field port? integer 1 to 65535; required with `host`
---@field path? string of a Unix socket, at most 107 bytes; instead of host and port
---@field timeout? number seconds for all of it, the look-up too; default 5; at most nine tenths of what the scope has left

--- Connects. Addresses of a name are tried in turn, each with its share of the time that is left. Waits. Raises for
--- unknown options and wrong types.
---@param options engine.tcp.ConnectOptions
---@return engine.tcp.Stream|nil stream
---@return string? message "cannot connect to db:5432: 10.0.0.1: connection refused; 10.0.0.2: timed out after 2.5 s"
---@return string? code of the address tried last: "ECONNREFUSED", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENOENT" (no
---  such path), "EMFILE"; of the name: as engine.dns; "ECANCELED" in a closed scope
function M.connect(options) end

---@class engine.tcp.ListenOptions: engine.tcp.SocketOptions those of the connections that it accepts
---@field host? string address to bind; default "0.0.0.0"
---@field port? integer default 0: any
---@field path? string of a Unix socket, at most 107 bytes; instead of host and port. The file goes with the listener
---@field backlog? integer connections that wait to be accepted, 1 to 65535; default 4096, at most net.core.somaxconn

--- Listens. Raises for unknown options and wrong types.
---@param options engine.tcp.ListenOptions
---@return engine.tcp.Listener|nil listener
---@return string? message "cannot listen on 0.0.0.0:80: permission denied"
---@return string? code "EADDRINUSE" (also for a socket file that a dead listener left), "EADDRNOTAVAIL", "EACCES", "EINVAL"
---  for what is no address, "ENAMETOOLONG", "ECANCELED" in a closed scope
function M.listen(options) end

---@class engine.tcp.Listener
local Listener = {}

--- Waits for the next connection, in the order in which they came. One task at a time, a second raises. While the process
--- has no free descriptor it logs so and goes on trying ten times a second; the connections wait in the backlog.
---@param on_full? fun(): boolean? called when there is no free descriptor: true if it has closed something
---@return engine.tcp.Stream|nil stream
---@return string? message
---@return string? code "ECANCELED" once closed
function Listener:accept(on_full) end

--- Where it listens.
---@return string|nil host or the path of a Unix socket
---@return integer|string|nil port or a message
---@return string? code
function Listener:address() end

--- Closes it. A task that accepts gets `nil, "closed", "ECANCELED"`. May be called again.
function Listener:close() end

---@class engine.tcp.Stream
local Stream = {}

--- Waits for bytes. One task reads at a time, a second raises. A read that is given up (by a time limit) loses nothing.
--- While nobody reads at most 64 kB are held, then the kernel holds the sender up.
---@param count? integer exactly so many, 1 to 2^30; without it whatever has come, at most 64 kB
---@return string|nil data
---@return string? message "eof" at the end of the stream: what came before it and is less than `count` can still be read
---@return string? code "EOF", "ECONNRESET", "ETIMEDOUT", "ECANCELED" once closed
function Stream:read(count) end

--- Writes and waits until the kernel has taken all of it. One task writes at a time, a second raises. The rest of a write
--- that is given up is sent nevertheless.
---@param data string
---@return true|nil ok
---@return string? message
---@return string? code "EPIPE" or "ECONNRESET" when the peer is gone, "EBUSY" while the rest of a write that was given up is
---  under way, "ECANCELED" once closed
function Stream:write(data) end

--- Waits for the rest of a write that was given up. Else it gives the last write's result, at once.
---@return true|nil ok, string? message, string? code
function Stream:flush() end

--- Ends this direction: the peer reads "eof"; reading goes on.
---@return true|nil ok, string? message, string? code "EBUSY", "ENOTCONN", "ECANCELED" once closed
function Stream:shutdown() end

--- The other end.
---@return string|nil host or the path of a Unix socket, "" without one
---@return integer|string|nil port or a message
---@return string? code "ENOTCONN" when the peer is gone
function Stream:peer() end

--- This end.
---@return string|nil host or the path of a Unix socket, "" without one
---@return integer|string|nil port or a message
---@return string? code
function Stream:address() end

--- Closes it. Tasks that read or write get `nil, "closed", "ECANCELED"`. May be called again.
function Stream:close() end

return M
