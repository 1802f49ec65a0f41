-- SPDX-License-Identifier: MIT
--- A machine of a spec: a real systemd in namespaces of its own, with this host's /usr, the engine installed over it, and
--- no network but loopback. Invariant: it ends with the spec's process, and leaves no cgroup behind.
local Daemon = require("support.daemon")
local Folder = require("support.folder")
local Manager = require("support.service_manager")
local leftovers = require("support.leftovers")
local process = require("engine.process")
local task = require("engine.task")

local M = {}
M.__index = M

local PATIENCE = require("support.patience")

-- Runs the second program in a cgroup of its own until its standard input ends.
local KEEP = [[
set -e
mkdir "$1/root" "$1/cgroup"
mount -t cgroup2 cgroup2 "$1/cgroup"
group=$1/cgroup/$(basename "$1")
mkdir "$group"
sh -c 'echo $$ >"$1/cgroup.procs" && exec unshare --cgroup --pid --fork --kill-child --mount --ipc --uts sh -c "$2" sh "$3"' \
  sh "$group" "$2" "$1" &
trap '' PIPE
read -r _ || true
kill -KILL $! || true
wait $! || true
for _ in $(seq 100); do
  find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null
  [ -d "$group" ] || exit 0
  sleep 0.05
done
]]

local BOOT = [[
set -e
read -r pid _ </proc/self/stat
mount -t tmpfs -o mode=755 root "$1/root"
cd "$1/root"
mkdir -p usr proc sys dev run tmp host etc/systemd/system etc/peerage-lua var/log var/lib old
for name in bin sbin lib lib32 lib64; do ln -s usr/$name $name; done
mount -t overlay -o lowerdir="$1/installed/usr:/usr" usr usr
mount --bind "$1" host
mount --bind "$1/etc" etc/peerage-lua
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mount -t tmpfs -o mode=755 dev dev
for name in null zero full random urandom tty; do
  touch dev/$name
  mount --bind /dev/$name dev/$name
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
cp /etc/ld.so.cache etc
printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\n' >etc/group
printf 'passwd: files\ngroup: files\nhosts: files\n' >etc/nsswitch.conf
printf '127.0.0.1 localhost\n::1 localhost\n' >etc/hosts
echo 0123456789abcdef0123456789abcdef >etc/machine-id
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' >etc/systemd/system/spec.target
ip link set lo up
pivot_root . old
umount -l old
mount --make-rshared /
echo "pid $pid"
exec env -i PATH=/usr/bin:/usr/sbin container=spec NOTIFY_SOCKET=/host/notify \
  /usr/lib/systemd/systemd --system --unit=spec.target --log-target=journal --show-status=no
]]

local function boot(self)
  local path = self.folder.path
  local result = assert(process.run({ "cmake", "--install", Daemon.binary():match("^(.*)/"), "--prefix", "/usr",
    env = { DESTDIR = path .. "/installed" } }))
  assert(result.code == 0, result.stderr)
  self.folder:sh("mkdir etc && chmod 755 . etc")
  self.manager = Manager.start(path .. "/notify")
  -- In a session of its own it is not killed with this process's programs: it hears of the end, and clears away. As one
  -- of the leftovers it is still there to be waited for when the run was interrupted.
  self.keeper = assert(leftovers.scope:run(process.start, { "setsid", "--wait", "sh", "-c",
    'exec unshare --mount --net sh -c "$@" 2>&1', "sh", KEEP, "sh", path, BOOT, stdin = true }))
  local said = {}
  for line in self.keeper:lines() do
    self.pid = line:match("^pid (%d+)$")
    if self.pid then break end
    said[#said + 1] = line
  end
  assert(self.pid, "it does not boot: " .. table.concat(said, "; "))
  self.manager:expect("^READY=1", PATIENCE)
end

--- Boots one; nil where that may not be.
---@return spec.Machine? machine
---@return string? message
function M.boot()
  local self = leftovers.note(setmetatable({ folder = Folder.new() }, M))
  local ok, message = pcall(boot, self)
  if ok then return self end
  self:remove()
  return nil, message
end

-- A command that runs in it, as root.
local function inside(self, command)
  local result = { "nsenter", "--target", self.pid, "--all", "env", "-i", "PATH=/usr/bin:/usr/sbin", "HOME=/root" }
  for _, word in ipairs(command) do result[#result + 1] = word end
  return result
end

---@return engine.process.Ended
function M:run(...) return assert(process.run(inside(self, { ... }))) end

---@return engine.process.Process
function M:start(...) return assert(process.start(inside(self, { ... }))) end

--- Runs `systemctl`, which must succeed.
---@return string output
function M:systemctl(...)
  local result = self:run("systemctl", ...)
  if result.code ~= 0 then
    error(("systemctl %s: %s%s\n%s"):format(table.concat({ ... }, " "), result.stdout, result.stderr, self:journal()), 2)
  end
  return result.stdout
end

--- A property of the engine's service.
function M:show(property) return (self:systemctl("show", "-P", property, "peerage-lua"):gsub("\n$", "")) end

--- What is in the journal.
function M:journal(...) return self:run("journalctl", "--no-pager", "--output", "cat", ...).stdout end

--- Writes a file of /etc/peerage-lua.
function M:write(name, text) self.folder:write("etc/" .. name, text) end

--- Sets lines of the unit's section Service beside those that it has; nil: none.
---@param lines string?
function M:drop_in(lines)
  self.folder:write("drop-in", ("[Service]\n%s\n"):format(lines or ""))
  self.folder:sh(("nsenter --target %s --all sh -c '%s'"):format(self.pid, [[
    mkdir -p /run/systemd/system/peerage-lua.service.d &&
    cp /host/drop-in /run/systemd/system/peerage-lua.service.d/spec.conf]]))
  self:systemctl("daemon-reload")
end

--- Ends it, and takes away all that it had.
function M:remove()
  if self.keeper then
    self.keeper:close_stdin()
    task.timeout(PATIENCE, self.keeper.wait, self.keeper)
    self.keeper:close()
  end
  if self.manager then self.manager:stop() end
  self.folder:remove()
  leftovers.forget(self)
end

return M
