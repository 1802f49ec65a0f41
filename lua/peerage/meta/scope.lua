-- SPDX-License-Identifier: MIT
---@meta engine.scope

--- Scopes: the owners of tasks and handles, in a tree. What a task makes belongs to that task's scope.
---@class engine.scope.module
local scopes = {}

---@class engine.scope
local scope = {}

--- A child of the running task's scope. It lives until it or a parent is closed, even when Lua has forgotten it.
---@param label? string who this is in the log: "provider dns"; nil: as its parent
---@param seconds? number from now, when its owner means to close it: operations in it take at most nine tenths of that
---@param account? engine.account who pays for what runs in it; nil: as its parent
---@return engine.scope? scope, string? message, string? code "closed", "ECANCELED" if the caller's scope is closed
function scopes.new(label, seconds, account) end

--- How long an operation of the running task may take that wants `seconds`: at most nine tenths of what the deadlines
--- of its scope and all above it leave, and at least a millisecond.
---@param seconds number
---@return number seconds
function scopes.timeout(seconds) end

--- How many handles are open in the process.
---@return integer
function scopes.handles() end

--- A child of this scope; otherwise as `new`.
---@param label? string
---@param seconds? number
---@param account? engine.account
---@return engine.scope? scope, string? message, string? code "closed", "ECANCELED" if it is closed
function scope:child(label, seconds, account) end

--- Starts `fn(...)` as a task of this scope.
---@param fn function
---@param ... any
---@return engine.task? task, string? message, string? code "closed", "ECANCELED" if it is closed
function scope:spawn(fn, ...) end

--- Runs `fn(...)` as a task of this scope and waits for its end; an error is raised again here. What it opens and
--- spawns stays until the scope closes.
---@param fn function
---@param ... any
---@return any ... its results; or nil, "closed", "ECANCELED"
function scope:run(fn, ...) end

--- Ends all that it owns: descriptors at once, tasks where they wait, child scopes. Who waits elsewhere for one of those
--- gets `nil, "closed", "ECANCELED"`. May be called again, and from a task in it, which goes on to its next wait.
function scope:close() end

---@return boolean
function scope:is_closed() end

--- Gives all that it owns to its parent, and closes.
function scope:hand_up() end

return scopes
