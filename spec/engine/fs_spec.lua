-- SPDX-License-Identifier: MIT
-- Against the shell: what it makes, engine.fs reads, and the other way round.
local fs = require("engine.fs")
local scope = require("engine.scope")
local task = require("engine.task")
local timer = require("engine.timer")

local folder

local function sh(command, ...)
  local pipe = assert(io.popen("cd " .. folder .. " && ( " .. command:format(...) .. " ) 2>&1"))
  local output = pipe:read("*a")
  pipe:close()
  return (output:gsub("\n$", ""))
end

local function path(name) return folder .. "/" .. name end

local function is_root() return sh("id -u") == "0" end

before_each(function()
  local pipe = assert(io.popen("mktemp -d"))
  folder = pipe:read("*l")
  pipe:close()
end)

after_each(function() os.execute("rm -rf " .. folder) end)

describe("fs.stat", function()
  it("says what is there, as stat(1) does", function()
    sh("printf hello > file; chmod 640 file; mkdir folder; mkfifo fifo; ln -s file link; touch -d @1234567890.25 file")
    local stat = assert(fs.stat(path("file")))
    assert.equal("file", stat.type)
    assert.equal(5, stat.size)
    assert.equal(tonumber("640", 8), stat.mode)
    assert.equal(1234567890.25, stat.mtime)
    assert.equal(sh("stat -c '%%i %%d %%u %%g' file"),
      ("%d %d %d %d"):format(stat.inode, stat.device, stat.uid, stat.gid))
    local birthtime = tonumber(sh("stat -c %%.6W file"))
    assert.is_true(math.abs((stat.birthtime or 0) - birthtime) < 2e-6)
    assert.equal("directory", fs.stat(path("folder")).type)
    assert.equal("fifo", fs.stat(path("fifo")).type)
    assert.equal("character device", fs.stat("/dev/null").type)
  end)

  it("follows links, unless asked not to", function()
    sh("touch file; ln -s file link; ln -s nowhere dangling")
    assert.equal("file", fs.stat(path("link")).type)
    assert.equal("link", fs.stat(path("link"), { lstat = true }).type)
    assert.equal("link", fs.stat(path("dangling"), { lstat = true }).type)
    assert.is_nil(fs.stat(path("dangling")))
  end)

  it("names path, reason and code when it cannot", function()
    local stat, message, code = fs.stat(path("missing"))
    assert.is_nil(stat)
    assert.equal(("cannot stat %s: no such file or directory"):format(path("missing")), message)
    assert.equal("ENOENT", code)
  end)

  it("raises for a wrong call", function()
    assert.error_matches(function() fs.stat() end, "string expected")
    assert.error_matches(function() fs.stat("a\0b") end, "zero byte")
    assert.error_matches(function() fs.stat("/", { follow = true }) end, 'unknown option "follow"')
    assert.error_matches(function() fs.stat("/", { lstat = 1 }) end, 'option "lstat": expected a boolean, found a number')
  end)
end)

describe("fs.type", function()
  it("says what is there without waiting, and hangs on nothing", function()
    sh("touch file; mkdir folder; mkfifo fifo; ln -s fifo link")
    local found = {}
    table.sort({ 2, 1 }, function(a, b) -- where nothing may wait
      for _, name in ipairs({ "file", "folder", "fifo", "link", "none" }) do found[name] = fs.type(path(name)) end
      return a < b
    end)
    assert.same({ file = "file", folder = "directory", fifo = "fifo", link = "fifo" }, found)
    assert.equal("character device", fs.type("/dev/zero"))
  end)

  it("raises for a wrong call", function()
    assert.error_matches(function() fs.type() end, "string expected")
    assert.error_matches(function() fs.type("a\0b") end, "zero byte")
  end)
end)

describe("fs.realpath and fs.readlink", function()
  it("resolve a chain of links, or one step of it", function()
    sh("mkdir real; touch real/file; ln -s real alias; ln -s alias/file link")
    assert.equal(sh("realpath link"), fs.realpath(path("link")))
    assert.equal("alias/file", fs.readlink(path("link")))
  end)

  it("say why they cannot", function()
    sh("touch file; ln -s loop loop")
    local _, message, code = fs.readlink(path("file"))
    assert.equal(("cannot read the link %s: it is no symbolic link"):format(path("file")), message)
    assert.equal("EINVAL", code)
    assert.equal("ELOOP", select(3, fs.realpath(path("loop"))))
    assert.equal("ENOENT", select(3, fs.realpath(path("missing"))))
  end)
end)

describe("fs.list", function()
  it("gives all names sorted by byte value, dot files too", function()
    sh("touch b a B .hidden '10' '9' 'with space'")
    assert.same({ ".hidden", "10", "9", "B", "a", "b", "with space" }, fs.list(path("")))
  end)

  it("gives an empty list for an empty folder", function() assert.same({}, fs.list(folder)) end)

  it("says that a file is no folder", function()
    sh("touch file")
    local names, message, code = fs.list(path("file"))
    assert.is_nil(names)
    assert.equal(("cannot list %s: not a directory"):format(path("file")), message)
    assert.equal("ENOTDIR", code)
  end)
end)

describe("fs.read", function()
  it("gives the bytes of a file, whatever they are", function()
    sh([[printf 'a\000\377\n' > file; : > empty; ln -s file link]])
    assert.equal("a\0\255\n", fs.read(path("file")))
    assert.equal("", fs.read(path("empty")))
    assert.equal("a\0\255\n", fs.read(path("link")))
  end)

  it("reads files that say they are empty and are not, as in /proc", function()
    assert.matches("^Name:\t", fs.read("/proc/self/status"))
  end)

  it("reads a file of exactly `max` bytes and refuses one more", function()
    sh("head -c 100000 /dev/zero > file")
    assert.equal(100000, #fs.read(path("file"), { max = 100000 }))
    local data, message, code = fs.read(path("file"), { max = 99999 })
    assert.is_nil(data)
    assert.equal(("cannot read %s: it is larger than the limit of 99999 bytes"):format(path("file")), message)
    assert.equal("EFBIG", code)
    assert.equal("EFBIG", select(3, fs.read("/proc/self/status", { max = 10 })))
    assert.equal("EFBIG", select(3, fs.read(path("file"), { max = 0 })))
  end)

  it("refuses more than 16 MB unless told otherwise", function()
    sh("truncate -s 16777217 file")
    assert.equal("EFBIG", select(3, fs.read(path("file"))))
    assert.equal(16777217, #fs.read(path("file"), { max = 16777217 }))
  end)

  it("refuses what is no regular file, and hangs on none", function()
    sh("mkfifo fifo; mkdir folder; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"socket\")'")
    for name, expected in pairs({ fifo = "EINVAL", folder = "EISDIR", socket = "EINVAL" }) do
      local kind = name == "folder" and "directory" or name
      local data, message, code = fs.read(path(name))
      assert.is_nil(data)
      assert.equal(("cannot read %s: it is a %s, expected a regular file"):format(path(name), kind), message)
      assert.equal(expected, code)
    end
    assert.equal("EINVAL", select(3, fs.read("/dev/zero")))
  end)

  it("refuses a secret that others can read, and says how to mend it", function()
    sh("echo secret > file; chmod 644 file")
    local data, message, code = fs.read(path("file"), { private = true })
    assert.is_nil(data)
    assert.equal(("cannot read %s: its mode 0644 lets others in, expected to be private "):format(path("file"))
      .. "(in a Kubernetes volume: defaultMode: 0440): chmod o-rwx " .. path("file"), message)
    assert.equal("EACCES", code)
    sh("chmod o-rwx file")
    assert.equal("secret\n", fs.read(path("file"), { private = true }))
  end)

  it("lets the group read a secret, unless it is the owner's alone", function()
    sh("echo secret > file; chmod 440 file; ln -s file link")
    assert.equal("secret\n", fs.read(path("link"), { private = true }))
    local data, message = fs.read(path("link"), { private = "owner" })
    assert.is_nil(data)
    assert.matches("mode 0440 lets group or others in", message, 1, true)
    assert.matches("chmod go-rwx " .. path("link"), message, 1, true)
    sh("chmod 400 file")
    assert.equal("secret\n", fs.read(path("link"), { private = "owner" }))
  end)

  it("refuses each permission of others, one by one", function()
    sh("echo secret > file")
    for _, mode in ipairs({ "601", "602", "604" }) do
      sh("chmod %s file", mode)
      assert.equal("EACCES", select(3, fs.read(path("file"), { private = true })))
    end
  end)

  it("raises for options that make no sense", function()
    assert.error_matches(function() fs.read("x", { private = "group" }) end, 'expected true, false or "owner", found group')
    assert.error_matches(function() fs.read("x", { max = -1 }) end, 'option "max": expected 0 to')
    assert.error_matches(function() fs.read("x", { maximum = 1 }) end, 'unknown option "maximum"')
  end)
end)

describe("fs.write", function()
  it("makes a file that the shell finds whole, with mode 0644", function()
    assert.is_true(fs.write(path("file"), "a\0\255\n"))
    assert.equal("61 00 ff 0a", sh("od -An -tx1 file | sed 's/^ //'"))
    assert.equal("644", sh("stat -c %%a file"))
    assert.is_true(fs.write(path("file"), ""))
    assert.equal("0", sh("stat -c %%s file"))
  end)

  it("replaces the file instead of writing into it, and leaves nothing else", function()
    sh("echo old > file; ln file kept")
    assert.is_true(fs.write(path("file"), "new\n", { mode = tonumber("600", 8) }))
    assert.equal("new", sh("cat file"))
    assert.equal("600", sh("stat -c %%a file"))
    assert.equal("old", sh("cat kept"))
    assert.same({ "file", "kept" }, fs.list(folder))
  end)

  it("keeps a symbolic link and replaces what it leads to", function()
    sh("mkdir data; echo old > data/file; ln -s data/file link")
    assert.is_true(fs.write(path("link"), "new\n"))
    assert.equal("new", sh("cat data/file"))
    assert.equal("data/file", sh("readlink link"))
    assert.same({ "file" }, fs.list(path("data")))
  end)

  it("refuses a link that leads nowhere", function()
    sh("ln -s nowhere link")
    local done, message, code = fs.write(path("link"), "x")
    assert.is_nil(done)
    assert.equal(("cannot write %s: it is a symbolic link that leads nowhere"):format(path("link")), message)
    assert.equal("ENOENT", code)
  end)

  it("refuses to replace what is no regular file", function()
    sh("mkdir folder; mkfifo fifo")
    assert.equal("EISDIR", select(3, fs.write(path("folder"), "x")))
    assert.equal("EINVAL", select(3, fs.write(path("fifo"), "x")))
    assert.same({ "fifo", "folder" }, fs.list(folder))
    assert.equal("directory", fs.stat(path("folder")).type)
  end)

  it("makes an exclusive file once, whatever stands in its place", function()
    assert.is_true(fs.write(path("file"), "first", { exclusive = true, mode = tonumber("400", 8) }))
    assert.equal("400 1", sh("stat -c '%%a %%h' file"))
    local done, message, code = fs.write(path("file"), "second", { exclusive = true })
    assert.is_nil(done)
    assert.equal(("cannot write %s: file already exists"):format(path("file")), message)
    assert.equal("EEXIST", code)
    sh("ln -s nowhere link")
    assert.equal("EEXIST", select(3, fs.write(path("link"), "x", { exclusive = true })))
    assert.equal("first", sh("cat file"))
    assert.same({ "file", "link" }, fs.list(folder))
  end)

  it("lets one of many exclusive writers win", function()
    local writers = {}
    for i = 1, 20 do
      writers[i] = function() return fs.write(path("file"), "writer " .. i, { exclusive = true }) or false end
    end
    local results, won = task.all(writers), {}
    for i = 1, 20 do if results[i] then won[#won + 1] = "writer " .. i end end
    assert.same({ sh("cat file") }, won)
    assert.same({ "file" }, fs.list(folder))
  end)

  it("never shows a reader a part", function()
    local old, new = ("a"):rep(300000), ("b"):rep(300000)
    assert(fs.write(path("file"), old))
    local writer = task.spawn(function()
      for i = 1, 20 do assert(fs.write(path("file"), i % 2 == 0 and old or new)) end
    end)
    local reads = 0
    while not writer:is_finished() do
      local data = assert(fs.read(path("file")))
      assert(data == old or data == new, "a mixture")
      reads = reads + 1
    end
    writer:wait()
    assert(reads > 1)
  end)

  it("keeps the old file and leaves no temporary one when the disk is full", function()
    if not is_root() then return pending("mounting needs root") end
    sh("mkdir small")
    if sh("mount -t tmpfs -o size=64k tmpfs small") ~= "" then return pending("mounting is not allowed here") end
    local ok, message = pcall(function()
      assert(fs.write(path("small/file"), "old"))
      local done, reason, code = fs.write(path("small/file"), ("x"):rep(100000))
      assert.is_nil(done)
      assert.equal(("cannot write %s: no space left on device"):format(path("small/file")), reason)
      assert.equal("ENOSPC", code)
      assert.equal("old", fs.read(path("small/file")))
      assert.same({ "file" }, fs.list(path("small")))
    end)
    sh("umount small")
    assert(ok, message)
  end)

  it("says so when the folder is missing, or the name too long", function()
    assert.equal("ENOENT", select(3, fs.write(path("missing/file"), "x")))
    assert.equal("ENAMETOOLONG", select(3, fs.write(path(("n"):rep(256)), "x")))
    assert.equal("ENAMETOOLONG", select(3, fs.write(path(("n/"):rep(3000)), "x")))
    assert.is_true(fs.write(path(("n"):rep(255)), "x"))
    assert.same({ ("n"):rep(255) }, fs.list(folder))
  end)

  it("raises for a mode that is none", function()
    for _, mode in ipairs({ -1, 512, 1.5 }) do
      assert.error_matches(function() fs.write("x", "", { mode = mode }) end, "expected permission bits")
    end
    assert.error_matches(function() fs.write("x", "", { mode = "0644" }) end, 'option "mode": expected a number, found a string')
    assert.error_matches(function() fs.write("x") end, "string expected")
  end)
end)

describe("an operation on files", function()
  it("does not hold the engine up", function()
    local ticks = 0
    local ticker = timer.every(0.001, function() ticks = ticks + 1 end)
    for _ = 1, 10 do assert(fs.write(path("file"), ("x"):rep(2000000))) end
    ticker:stop()
    assert(ticks > 2, ticks .. " ticks")
  end)

  it("ends unheard when its task is cancelled or its scope closed", function()
    sh("echo text > file")
    for _ = 1, 50 do
      local reader = task.spawn(function() fs.read(path("file")) end)
      local owner = scope.new()
      owner:spawn(function() fs.stat(path("file")) end)
      task.sleep(0)
      reader:cancel()
      owner:close()
    end
    assert.equal("text\n", fs.read(path("file")))
  end)

  it("waits its turn: more at once than the pool has threads", function()
    sh("seq 1 100 | while read i; do echo $i > f$i; done")
    local readers = {}
    for i = 1, 100 do readers[i] = function() return fs.read(path("f" .. i)) end end
    local results = task.all(readers)
    for i = 1, 100 do assert.equal(i .. "\n", results[i]) end
  end)
end)

describe("a failed operation on files", function()
  it("names the reason of the system when nothing better is known", function()
    sh("mkdir folder; ln -s loop loop; echo old > folder/file")
    assert.same({ nil, ("cannot read %s: too many symbolic links encountered"):format(path("loop")), "ELOOP" },
      { fs.read(path("loop")) })
    assert.same({ nil, ("cannot write %s: too many symbolic links encountered"):format(path("loop")), "ELOOP" },
      { fs.write(path("loop"), "x") })
    assert.same({ nil, ("cannot list %s: no such file or directory"):format(path("missing")), "ENOENT" },
      { fs.list(path("missing")) })
  end)
end)

describe("fs.watch", function()
  -- All changes that come until the file `name` was seen.
  local function names_until(watcher, name)
    local seen = {}
    while not seen[name] do
      local change = assert(task.timeout(30, function() return watcher:next() end))
      seen[change.name or "?"] = true
    end
    return seen
  end

  local function next_of(watcher)
    return task.timeout(30, function() return watcher:next() end)
  end

  it("tells what was made, changed, renamed and removed in a folder", function()
    sh("touch changed renamed removed")
    local watcher = assert(fs.watch(folder))
    sh("touch made; echo x >> changed; mv renamed other; rm removed; touch last")
    assert.same({ made = true, changed = true, renamed = true, other = true, removed = true, last = true },
      names_until(watcher, "last"))
    watcher:close()
  end)

  it("wakes a task that waits already", function()
    local watcher = assert(fs.watch(folder))
    local waiter = task.spawn(function() return watcher:next() end)
    task.sleep(0)
    sh("touch file")
    assert.same({ name = "file" }, waiter:wait())
    watcher:close()
  end)

  it("tells many changes of one name as one", function()
    local watcher = assert(fs.watch(folder))
    sh("for i in 1 2 3 4 5 6 7 8 9; do echo $i >> file; done")
    task.sleep(0.05)
    sh("touch last")
    task.sleep(0.05)
    assert.same({ name = "file" }, next_of(watcher))
    assert.same({ name = "last" }, next_of(watcher))
    assert.is_nil(task.timeout(0.02, function() return watcher:next() end))
    watcher:close()
  end)

  it("tells too many changes as one of unknown name, and goes on", function()
    local watcher = assert(fs.watch(folder))
    sh("for i in $(seq 1 65); do touch f$i; done")
    task.sleep(0.1)
    assert.same({}, next_of(watcher))
    names_until(watcher, "f65") -- what came in after the one that was too many
    sh("touch after")
    assert.same({ name = "after" }, next_of(watcher))
    watcher:close()
  end)

  it("tells as many as 64 by name, however often each changes", function()
    local watcher = assert(fs.watch(folder))
    for _ = 1, 2 do sh("for i in $(seq 1 64); do touch f$i; done") end
    task.sleep(0.1)
    for i = 1, 64 do assert.same({ name = "f" .. i }, next_of(watcher)) end
    assert.is_nil(task.timeout(0.02, function() return watcher:next() end))
    watcher:close()
  end)

  it("can be looped over, directly and by each()", function()
    for sub, iterate in pairs({ direct = function(w) return w end, each = function(w) return w:each() end }) do
      sh("mkdir %s", sub)
      local watcher = assert(fs.watch(path(sub)))
      local seen = {}
      sh("touch %s/a %s/b", sub, sub)
      for change in iterate(watcher) do
        seen[change.name] = true
        if change.name == "b" then break end
      end
      watcher:close()
      assert.same({ a = true, b = true }, seen)
    end
  end)

  it("ends with its folder", function()
    sh("mkdir sub; touch sub/file")
    local watcher = assert(fs.watch(path("sub")))
    sh("rm -r sub")
    local last
    for change in watcher:each() do last = change end
    assert.same({}, last)
    assert.same({ nil, "gone", "ENOENT" }, { watcher:next() })
    watcher:close()
    assert.same({ nil, "gone", "ENOENT" }, { watcher:next() })
  end)

  it("ends when its folder is moved away", function()
    sh("mkdir sub")
    local watcher = assert(fs.watch(path("sub/")))
    sh("mv sub other")
    assert.same({}, next_of(watcher))
    assert.same({ nil, "gone", "ENOENT" }, { next_of(watcher) })
  end)

  it("goes on with the folder that took the place of the old one", function()
    sh("mkdir sub")
    local watcher = assert(fs.watch(path("sub")))
    sh("rmdir sub; mkdir sub")
    assert.same({}, next_of(watcher))
    sh("touch sub/file")
    names_until(watcher, "file")
    watcher:close()
  end)

  it("follows a file through the way editors save", function()
    sh("echo 1 > file")
    local watcher = assert(fs.watch(path("file")))
    for round = 1, 3 do
      sh("echo %d > new; mv new file", round)
      assert.same({}, next_of(watcher))
      task.sleep(0.02)
      while task.timeout(0.02, function() return watcher:next() end) do end
    end
    sh("echo more >> file")
    assert.same({}, next_of(watcher))
    watcher:close()
  end)

  it("goes on after it told a change of its path to a task that has ended since", function()
    sh("echo 1 > file")
    local watcher = assert(fs.watch(path("file")))
    local owner, told = scope.new(), task.queue()
    owner:spawn(function()
      while true do told:push(watcher:next()) end
    end)
    sh("echo 2 > new; mv new file")
    assert.same({}, told:pop())
    owner:close()
    while task.timeout(0.02, function() return watcher:next() end) do end
    sh("echo 3 >> file")
    assert.same({}, next_of(watcher))
    watcher:close()
  end)

  it("is not confused by a file that is named like its folder", function()
    sh("mkdir sub")
    local watcher = assert(fs.watch(path("sub")))
    sh("touch sub/sub sub/file")
    assert.same({ ["?"] = true, file = true }, names_until(watcher, "file"))
    sh("rm sub/sub; touch sub/last")
    names_until(watcher, "last")
    watcher:close()
  end)

  it("lets two watch one folder, and one of them go on alone", function()
    local first, second = assert(fs.watch(folder)), assert(fs.watch(folder))
    sh("touch a")
    names_until(first, "a")
    names_until(second, "a")
    first:close()
    sh("touch b")
    names_until(second, "b")
    second:close()
  end)

  it("wakes who waits when it is closed, and stays closed", function()
    local watcher = assert(fs.watch(folder))
    local waiter = task.spawn(function() return watcher:next() end)
    task.sleep(0)
    watcher:close()
    assert.same({ nil, "closed", "ECANCELED" }, { waiter:wait() })
    assert.same({ nil, "closed", "ECANCELED" }, { watcher:next() })
    assert.matches("closed", tostring(watcher))
  end)

  it("refuses a second task that waits", function()
    local watcher = assert(fs.watch(folder))
    local waiter = task.spawn(function() return watcher:next() end)
    task.sleep(0)
    assert.error_matches(function() watcher:next() end, "another task waits for this watcher already")
    watcher:close()
    waiter:wait()
  end)

  it("keeps a change that came while nobody waited, and one whose waiter was cancelled", function()
    local watcher = assert(fs.watch(folder))
    local waiter = task.spawn(function() return watcher:next() end)
    task.sleep(0)
    waiter:cancel()
    sh("touch file")
    task.sleep(0.02)
    assert.same({ name = "file" }, next_of(watcher))
    watcher:close()
  end)

  it("closes with its scope, or when it is forgotten", function()
    local before = scope.handles()
    local owner, watcher = scope.new(), nil
    owner:run(function() watcher = fs.watch(folder) end)
    assert.equal(before + 1, scope.handles())
    owner:close()
    assert.equal(before, scope.handles())
    assert.same({ nil, "closed", "ECANCELED" }, { watcher:next() })
    fs.watch(folder)
    collectgarbage()
    collectgarbage()
    assert.equal(before, scope.handles())
  end)

  it("says why it cannot", function()
    local watcher, message, code = fs.watch(path("missing"))
    assert.is_nil(watcher)
    assert.equal(("cannot watch %s: no such file or directory"):format(path("missing")), message)
    assert.equal("ENOENT", code)
    assert.error_matches(function() fs.watch("a\0b") end, "zero byte")
  end)
end)
