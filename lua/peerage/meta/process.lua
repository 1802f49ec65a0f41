-- SPDX-License-Identifier: MIT
---@meta engine.process
--- Programs, and the signals of this process. A program runs in a process group of its own: when it
--- has ended, what it left in that group is killed. What has left the group (setsid) goes on, and so does the group when
--- this process is killed (KILL): it cannot end anything then.

---@class engine.process
local M = {}

---@class engine.process.Options the list is the command and its arguments, strings or numbers, handed over as they are: no shell
---@field cwd? string folder to start in; default this process's
---@field env? table<string, string|number|false> variables set beside this process's own; false removes one
---@field timeout? number seconds; then TERM, and KILL two seconds later, to the group; process.run: earlier where the scope's
---  end is near. Default: as long as the scope; at most nine tenths of what the scope has left

---@class engine.process.RunOptions: engine.process.Options
---@field stdin? string what it may read; default nothing
---@field max_output? integer bytes of stdout and stderr together; default 8 MB

---@class engine.process.Ended
---@field code? integer exit code, unless a signal ended it
---@field signal? string name of that signal: "KILL"
---@field stdout? string of process.run
---@field stderr? string of process.run
---@field held? true of process.run: what it left outside its group holds its output, which was waited for in vain, for a second
---  or less

--- Runs a program and waits for its end. Raises for unknown options and wrong types.
---@param options engine.process.RunOptions
---@return engine.process.Ended|nil ended whatever its exit code is
---@return string? message "cannot run foo: no such file or directory", "foo printed more than 8 MB", "foo timed out after 5 s"; if
---  that was less than was asked for: "foo timed out after 4.5 s, nine tenths of what its caller had left"
---@return string? code "ENOENT", "EACCES", "EMFILE", "EMSGSIZE" (printed too much; it was killed), "ETIMEDOUT", "ECANCELED"
---@return { stdout: string, stderr: string }|nil printed of one that was started: what it printed until then
function M.run(options) end

--- Whether these are variables that a program can be given, as `env`. Values are not in the message.
---@param env table
---@return true|nil ok
---@return string? message "A: expected a string, a number or false, found a table"
function M.check_environment(env) end

---@class engine.process.StartOptions: engine.process.Options
---@field stdin? string|boolean what it may read; true: what process:write gives it; default nothing
---@field stderr? boolean true: process.stderr reads it, and must; default this process's

--- Starts a program that ends with the scope, at the latest (KILL to its group), or when nobody has it any more. Raises
--- for unknown options and wrong types.
---@param options engine.process.StartOptions
---@return engine.process.Process|nil process
---@return string? message "cannot run foo: permission denied"
---@return string? code "ENOENT", "EACCES", "EMFILE", "ECANCELED" in a closed scope
function M.start(options) end

---@class engine.process.Process
---@field pid integer also the number of its process group
---@field stderr? engine.tcp.Stream with `stderr = true`: `read()` gives what came, nil at its end
local Process = {}

--- Iterates over the lines that it prints, without "\n"; the last one may lack it. A line of more than 8 MB ends the
--- program; wait() then says so. A program is held up while nobody takes its lines.
---@return fun(): string|nil next waits
function Process:lines() end

--- Iterates over the newest line that it printed since the one before, without blanks at its end: lines that were followed
--- by another before they were asked for are skipped, and so are blank ones. Else as lines(), in the place of that.
---@return fun(): string|nil next waits
function Process:newest() end

--- Waits for its end. One task at a time, a second raises. May be called again after the end.
---@return engine.process.Ended|nil ended
---@return string? message
---@return string? code "ETIMEDOUT", "EMSGSIZE" after a line of more than 8 MB, "ECANCELED" when it was closed
function Process:wait() end

--- Sends a signal to its group.
---@param signal? string "TERM" (default), "KILL", "HUP"…; a name that there is not raises
---@return true|nil ok
---@return string? message
---@return string? code "ESRCH" when it has ended
function Process:kill(signal) end

--- Writes to its standard input and waits until the pipe has taken it. Raises unless it was started with `stdin = true`.
---@param data string
---@return true|nil ok
---@return string? message
---@return string? code "EPIPE" when it reads no more, "ECANCELED" once closed
function Process:write(data) end

--- Ends its standard input.
function Process:close_stdin() end

--- Kills its group, if it runs, and closes its pipes. Whoever waits gets `nil, "closed", "ECANCELED"`.
function Process:close() end

--- Takes signals from now on, instead of what they do by default, until it is closed or its scope is.
---@param ... string "HUP", "USR1"…; a name that there is not raises
---@return engine.process.Signals|nil watcher
---@return string? message
---@return string? code "EINVAL" for KILL and STOP, "ECANCELED" in a closed scope
function M.signals(...) end

---@class engine.process.Signals
local Signals = {}

--- Waits for the next signal. None is lost between calls; one that came several times since is given once.
---@return string|nil name
---@return string? message
---@return string? code "ECANCELED" once closed
function Signals:next() end

--- Iterates over them until it is closed: `for name in watcher:each() do`.
---@return fun(): string|nil
function Signals:each() end

--- Gives the signals back. A task that waits gets `nil, "closed", "ECANCELED"`.
function Signals:close() end

--- Tells the service manager something: sd_notify(3). The first call takes its socket out of the environment, so that
--- programs started from then on do not get it.
---@param text string "READY=1", several with line ends between them
---@return true|nil ok
---@return string? message
---@return string? code "ENOENT" when no service manager asked to be told, "ECONNREFUSED" when it is gone, "EAGAIN" when it
---  does not read
function M.notify(text) end

--- Ends this process at once: nothing is closed, nothing is flushed.
---@param status integer
function M.exit_now(status) end

return M
