-- SPDX-License-Identifier: MIT
---@meta engine.fs

--- Files and folders. All but `watch` and `type` wait, on a thread pool, and never hold the engine up. A failure is
--- `nil, message, code` with the path in the message; a path that holds a zero byte, or an unknown option, raises.
--- An operation whose task ends meanwhile runs to its end unheard.
---@class engine.fs
local fs = {}

---@class engine.fs.stat
---@field type "file"|"directory"|"link"|"fifo"|"socket"|"character device"|"block device"
---@field size integer bytes
---@field mtime number seconds since 1970, with their fraction
---@field birthtime? number the same: when it was made; not every file system says so
---@field mode integer permission bits: 420 is octal 644
---@field inode integer
---@field device integer
---@field uid integer
---@field gid integer

--- What is at `path`; symbolic links are followed.
---@param path string
---@param options? { lstat?: boolean } `lstat`: the link itself
---@return engine.fs.stat? stat, string? message, string? code ENOENT, ENOTDIR, EACCES…
function fs.stat(path, options) end

--- What kind of thing is at `path`; symbolic links are followed. Does not wait, so it may be asked where nothing may.
---@param path string
---@return "file"|"directory"|"fifo"|"socket"|"character device"|"block device"|nil type nil: there is nothing, or it cannot
---  be known
function fs.type(path) end

--- The absolute path without symbolic links.
---@param path string
---@return string? path, string? message, string? code
function fs.realpath(path) end

--- Where a symbolic link leads, as it is written there.
---@param path string
---@return string? target, string? message, string? code EINVAL if it is no link
function fs.readlink(path) end

--- The names in a folder, sorted by byte value, without "." and "..".
---@param path string
---@return string[]? names, string? message, string? code
function fs.list(path) end

---@class engine.fs.read_options
---@field max? integer most bytes, 16 MB (16777216) without, at most 1 GB
---@field private? boolean|"owner" true: refuse a file with a permission for others; "owner": for the group, too

--- The bytes of a regular file; symbolic links are followed, and what is checked is the opened file. Anything else, a
--- fifo too, is refused at once.
---@param path string
---@param options? engine.fs.read_options
---@return string? data
---@return string? message
---@return string? code EFBIG: over `max`; EACCES: not private, or not for us; EISDIR, EINVAL: no regular file
function fs.read(path, options) end

---@class engine.fs.write_options
---@field mode? integer permission bits of the new file, less the umask; octal 644 (420) without, whatever the old file had
---@field exclusive? boolean fail with EEXIST if there is anything at `path`, a dangling symbolic link too

--- Puts a new file in the place of the old one, in one step: a reader sees the old bytes or the new, never a part, also
--- after a power cut. A symbolic link stays; the file that it leads to is replaced. On failure the old file stays
--- (except when only the last step, making the new name durable, fails: EIO) and no temporary file is left.
---@param path string
---@param data string
---@param options? engine.fs.write_options
---@return true? done, string? message, string? code
function fs.write(path, data, options) end

--- Watches a folder (what is made, removed, renamed or changed directly in it) or a file. Does not wait. When the path
--- leads to another file or folder after a change, that one is watched from then on.
---@param path string
---@return engine.fs.watcher? watcher, string? message, string? code ENOSPC, EMFILE: the system's limit for watches
function fs.watch(path) end

---@class engine.fs.change
---@field name? string the name in the folder; nil: anything may have changed (the watched path itself, or too much at once)

--- A handle: closed with its scope, or when nothing refers to it any more. Calling it is calling `next`:
--- `for change in watcher do … end`.
---@class engine.fs.watcher
---@overload fun(): engine.fs.change?
local watcher = {}

--- Waits for the next change. Between two calls changes are kept: of one name as one, and of more than 64 names (or
--- 4 KB of them) as one without a name. A second task that waits raises.
---@return engine.fs.change? change
---@return string? message "gone": the path leads nowhere any more; "closed"
---@return string? code ENOENT: gone; ECANCELED: closed
function watcher:next() end

--- For the generic `for`: `for change in watcher:each() do … end` ends when the watcher does.
---@return fun(watcher: engine.fs.watcher): engine.fs.change? next, engine.fs.watcher watcher
function watcher:each() end

--- Ends it; who waits gets `nil, "closed", "ECANCELED"`. May be called again.
function watcher:close() end

return fs
