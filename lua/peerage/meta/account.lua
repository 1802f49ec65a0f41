-- SPDX-License-Identifier: MIT
---@meta engine.account

--- Accounts: who work is charged to. What runs in a scope is charged to the scope's account, which is its parent's unless
--- `scope.new` or `scope:child` gave it another; the first is the engine's, which has no limits.
---
--- Over its budget a task is ended by the error "LABEL held the engine for 1.0 s"; where its account holds more than
--- its memory limit, by "not enough memory: it holds 64.0 MB, memory_limit is 64 MB". Neither can be caught for good: it is
--- raised again and again until the task ends or waits. One operation that wants more than the limit fails alone,
--- with "not enough memory". The engine's own code in a task (below engine/) is never interrupted.
---@class engine.account.module
local accounts = {}

---@class engine.account
local account = {}

---@class engine.account.limits
---@field budget? number seconds of CPU time from one wait of a task to the next; nil: no limit
---@field memory_limit? number bytes; nil: no limit. Garbage does not count: there may be as much of it again for a moment

---@class engine.account.options: engine.account.limits
---@field label string who this is in messages: "provider dns"

---@class engine.account.stats
---@field bytes integer live ones, with the garbage that the collector has not found yet
---@field cpu number seconds so far
---@field tasks integer alive
---@field handles integer open
---@field interrupted integer resumes of tasks that were ended for the time they took
---@field refused integer resumes of tasks that were ended for the memory held, and operations that failed for it

--- A new account. Wrong options raise.
---@param options engine.account.options
---@return engine.account
function accounts.new(options) end

--- The engine's: what all else is charged to; its `cpu` is the main thread's without that of the other accounts.
---@return engine.account
function accounts.engine() end

--- Sets both limits, from the next wait of each task on. Raises for the engine's.
---@param limits engine.account.limits
function account:limit(limits) end

---@return engine.account.stats
function account:stats() end

return accounts
