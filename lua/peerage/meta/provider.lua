-- SPDX-License-Identifier: MIT
---@meta _
--- What providers, connectors and configs are made of. providers/README.md says what it means.

---@class peerage.Provider a provider's module: `---@class Homies: peerage.Provider` above its `local M = {}`
---@field options? peerage.Schema what a config may give; nil: anything, handed over as it is
local Provider = {}

--- Says which nodes exist. Never runs twice at a time, for at most the config's `timeout`; what it opens ends with it.
---@param self peerage.ProviderSelf
---@return (string|peerage.Node)[]|nil nodes all of them; with a message a part of them; nil with a message: could not
---  find out, and the last good list stays
---@return string? message
function Provider.poll(self) end

--- Optional. Runs as long as the provider; started again when it ends, unless it returns false alone: then there is nothing to
--- serve with these options, and --once does not wait for it. `nil, message` says why it ended, which is a warning; an
--- error, and a return without a reason, are logged as errors.
---@param self peerage.ProviderSelf
---@return false|nil
---@return string? message
function Provider.serve(self) end

--- Optional. Says goodbye at a clean end, for at most a second. Not called at a reload.
---@param self peerage.ProviderSelf
function Provider.stop(self) end

--- Optional. What SIGUSR1 shows, such as drops by reason; for at most a second.
---@param self peerage.ProviderSelf
---@return table<string, number>
function Provider.counters(self) end

--- Optional. Whether anyone on the network can name nodes, with these options. Must not wait.
---@param options table<string, any>
---@return "open"|"accepted"|nil exposure "accepted": the options say that it is wanted
function Provider.exposure(options) end

--- Optional. Whether the options go together, for at most 10 seconds; asked before anything starts, and by --check and
--- --once.
---@param options table<string, any> a copy
---@param context { name: string?, name_given: boolean } this node's name, if it was given
---@return true|nil ok nil: a config error
---@return string? message what is wrong, or with true a warning
function Provider.check(options, context) end

---@class peerage.Self one table as long as a version runs; fields of one's own may stand beside these
---@field options table<string, any> as the schema and the config say
---@field name string this node's name
---@field state table plain data, copied to the next version at a reload
---@field log engine.log.logger bears the provider's or connector's name
---@field scope engine.scope what is to outlive a call belongs here: `self.scope:run(fn, …)`

---@class peerage.ProviderSelf: peerage.Self
---@field passive? boolean true with --once: announce nothing
local ProviderSelf = {}

--- Asks for a poll now. Many wishes are one poll; at most ten polls a second.
function ProviderSelf:poll_soon() end

--- Says at once what poll() would return: the engine takes it in instead of asking. Does not wait; of many the newest
--- counts, and ten a second at most are taken in. The list is copied, one level deep. A wrong argument raises.
---@param list (string|peerage.Node)[]|nil all nodes; with a message a part of them; nil with a message: cannot find out
---@param message? string
function ProviderSelf:update(list, message) end

---@class peerage.ConnectorModule a connector's module: `---@class Hold: peerage.ConnectorModule` above its `local M = {}`
---@field options? peerage.Schema
---@field follows_found? boolean true: a node is live as long as it is found, and `connect` is never called
---@field ignores_ports? boolean true: a node stays connected when its port changes
local Connector = {}

--- Tries a node that is found and not live. Up to 64 at a time, each for at most `connect_timeout`; what it opens ends
--- with it, unless `self.scope` has it.
---@param self peerage.ConnectorSelf
---@param node peerage.Node a copy
---@return boolean connected
---@return string? reason why not
---@return string? code "EAGAIN": could not try now; the node is due again at the next poll, and not for longer
function Connector.connect(self, node) end

--- Optional. Closes the connection to a node.
---@param self peerage.ConnectorSelf
---@param node { name: string }
function Connector.disconnect(self, node) end

--- Optional. Who is live; asked at each poll. Without it a node is live from `connect`'s `true` until `self:down`.
---@param self peerage.ConnectorSelf
---@return string[]|nil names nil: does not know
---@return string? message
function Connector.nodes(self) end

--- Optional. As a provider's.
---@param self peerage.ConnectorSelf
function Connector.serve(self) end

--- Optional. As a provider's; called before another version takes its place, too.
---@param self peerage.ConnectorSelf
function Connector.stop(self) end

--- Optional. As a provider's; under the connector's name.
---@param self peerage.ConnectorSelf
---@return table<string, number>
function Connector.counters(self) end

---@class peerage.ConnectorContext where a connector is to work
---@field name? string this node's, if it was given
---@field name_given boolean
---@field provider { name: string, options: table<string, any>, exposure: "open"|"accepted"|nil }

--- Optional. Whether the options will do, for at most 10 seconds; asked before anything starts, and by --check and --once.
---@param options table<string, any> a copy
---@param context peerage.ConnectorContext
---@return true|nil ok nil: a config error
---@return string? message what is wrong, or with true a warning
function Connector.check(options, context) end

---@class peerage.SharedObject what a connector's share() makes; anything may stand beside these
---@field close fun(self: peerage.SharedObject) called after the last cluster with it has stopped, for at most a second
---@field configure? fun(self: peerage.SharedObject, options: table<string, any>): boolean? has it take over other options of
---  the config, those of the first cluster, for at most 10 seconds. True: it did, and the connectors go on with them. Else
---  it is made anew, before it is closed itself, and the connectors are replaced

--- Optional. Makes what all clusters with this connector share, for at most 10 seconds: once, before the first of them
--- starts. What it opens and spawns, and `engine.scope.new()` made in it, stays until that is closed.
---@param options table<string, any> a copy of those of the first cluster
---@param name string this node's
---@param log engine.log.logger
---@return peerage.SharedObject|nil shared nil: the engine does not start, or keeps its old config
---@return string? message
function Connector.share(options, name, log) end

---@class peerage.ConnectorSelf: peerage.Self
---@field shared? peerage.SharedObject of share()
local ConnectorSelf = {}

--- A node is live.
---@param name string
function ConnectorSelf:up(name) end

--- A node is live no more.
---@param name string
---@param reason? string
function ConnectorSelf:down(name, reason) end

---@class peerage.HookNode: peerage.Node
---@field found boolean the last good list names it
---@field live boolean connected

---@alias peerage.ProviderTarget string|(fun(self: peerage.ProviderSelf): (string|peerage.Node)[]|nil, string?)|table
---@alias peerage.ConnectorTarget string|(fun(node: peerage.Node): boolean, string?)|table

---@class peerage.ClusterKeys the provider's options may stand beside these, but for those of the same name
---@field via? peerage.ProviderTarget provider; default "self"
---@field connect? peerage.ConnectorTarget connector; default "erlang" where a name was given, else "none"
---@field interval? number seconds from the end of one poll to the next, at least 0.1; default 10
---@field sync_offset? number milliseconds before the first poll; default 500
---@field timeout? number seconds for one poll, and for one hook; default 5
---@field connect_timeout? number seconds for one attempt; default 5
---@field serves? boolean false: serve() is not run; true: a provider without it is refused
---@field log_results? boolean write the table; default true
---@field prune? boolean|"always" disconnect nodes that are missing; default false
---@field prune_after? integer good polls that a node must be missing from; default 3
---@field on_up? fun(node: peerage.Node) a node became live
---@field on_down? fun(node: peerage.Node, reason: string?) a node is live no more
---@field on_change? fun(nodes: peerage.HookNode[]) anything changed; sorted by name; at most ten times a second
---@field budget? number CPU seconds at a stretch; default 1
---@field memory_limit? number|string bytes, or a text such as "64 MB", which is the default

---@class peerage.ConfigFile: peerage.ClusterKeys what a config's file returns
---@field name? string this node; default peerage-<random>@<address>
---@field clusters? table<string, peerage.ClusterKeys> several; the keys beside it are their defaults
---@field erlang? table<string, any> options of the process's one Erlang node, as in `connect = { "erlang", … }`
---@field provider_path? string[] more folders to look for providers in
---@field reload? boolean watch the files; default true
---@field log_level? "debug"|"info"|"warn"|"error" default "info"
---@field log_format? "text"|"json" default "text"
