-- SPDX-License-Identifier: MIT
---@meta engine.udp
--- UDP sockets, IPv4 or IPv6, to one host or to a multicast group.

---@class engine.udp
local M = {}

---@class engine.udp.Multicast
---@field group string 224.0.0.0 to 239.255.255.255, or in ff00::/8
---@field interfaces? (string|integer)[] names, indexes or addresses of interfaces. Default: all that are up
---  and can multicast, else the loopback one (IPv6 groups usually have no route there)
---@field ttl? integer hops, 0 to 255; default 1: this network
---@field loop? boolean whether sockets on this host hear what is sent from here; default true
---@field only? boolean hear only what was sent to the group; default false: also what was sent to this host

---@class engine.udp.Options
---@field host? string address to bind; default all of the group's family, "0.0.0.0" without a group
---@field port? integer default 0: any
---@field reuse? boolean let others with this option bind the same port (SO_REUSEADDR); default false
---@field broadcast? boolean allow sending to broadcast addresses; default false
---@field multicast? engine.udp.Multicast other groups, which some other program joined, are not heard
---@field receive_buffer? integer bytes that the kernel keeps for us (SO_RCVBUF)
---@field max_size? integer bytes of the largest datagram that is taken, 1 to 65535; default 2048. A larger one is never
---  cut: it is dropped and counted

--- Opens a socket that belongs to the running task's scope. Raises for unknown options and wrong types.
---@param options? engine.udp.Options
---@return engine.udp.Socket|nil socket
---@return string? message "cannot bind 0.0.0.0:45900: address already in use"
---@return string? code "EADDRINUSE", "EADDRNOTAVAIL", "EACCES", "EINVAL" for what is no address or no group, "ENODEV" when
---  none of the interfaces is there, "ECANCELED" in a closed scope
function M.open(options) end

---@class engine.udp.Socket
local Socket = {}

--- Sends one datagram, now: it never waits, and where the kernel's buffer is full the datagram is lost ("EAGAIN").
--- To the socket's own group it goes out once on each joined interface, and succeeds if one of them took it.
---@param data string
---@param host string an address literal: engine.dns turns names into addresses
---@param port integer 1 to 65535
---@return true|nil ok
---@return string? message
---@return string? code "EAGAIN", "EMSGSIZE", "ENETUNREACH", "EINVAL" for what is no address, "ENODEV" for a zone that is
---  not there or a group joined nowhere, "ECANCELED" once closed
function Socket:send(data, host, port) end

--- Waits for a datagram. Datagrams that come while no task waits are kept, the newest 1,024. One task may wait at a
--- time, a second raises. What ICMP says of datagrams that were sent is no error here.
---@return string|nil data
---@return engine.udp.Sender|string sender or a message; always the same object: it tells of the datagram received last
---@return number|string read_at when it was read from the socket, in seconds of engine.timer; or a code: "ECANCELED" once the
---  socket is closed
function Socket:receive() end

--- Iterates over datagrams, without end, until the socket is closed: `for data, sender, read_at in
--- socket:messages() do`. It does not suspend the task while datagrams are there, and costs less than receive().
---@return fun(): string?, engine.udp.Sender, number next
function Socket:messages() end

--- Lists the interfaces anew, joins the group on new ones and leaves it on those that are gone. Cheap if nothing changed.
--- Raises without the option `multicast`.
---@param interfaces? (string|integer)[] as the option
---@return string[]|nil names of the interfaces that are joined now
---@return string? message why one could not be joined, though others could; or why none could
---@return string? code "ENODEV" when there is none, "ENOBUFS" beyond net.ipv4.igmp_max_memberships, "ECANCELED" once closed
function Socket:join(interfaces) end

--- The group in its one canonical spelling: "ff02::1" for "FF02:0::1". Raises without the option `multicast`.
---@return string group
function Socket:group() end

--- Where it is bound.
---@return string|nil host
---@return integer|string port or a message
---@return string? code
function Socket:address() end

--- What was not received, since the start.
---@return integer lost for want of room (in the kernel's buffer or ours) or larger than `max_size`
---@return integer stray not sent to the group (option `only`)
function Socket:drops() end

--- Closes it. A task that waits gets `nil, "closed", "ECANCELED"`. May be called again.
function Socket:close() end

---@class engine.udp.Sender
local Sender = {}

--- Where the datagram came from. Made when asked for.
---@return string host
---@return integer port
function Sender:address() end

--- The address it was sent to: one of this host's, a broadcast address or a group.
---@return string host
function Sender:destination() end

--- The interface it came in by.
---@return integer index
function Sender:interface() end

return M
