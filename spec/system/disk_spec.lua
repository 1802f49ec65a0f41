-- SPDX-License-Identifier: MIT
-- A full disk: a small file system in a mount namespace.
local Daemon = require("support.daemon")
local Folder = require("support.folder")
local process = require("engine.process")

describe("a full disk", function()
  local folder
  before_each(function() folder = Folder.new() end)
  after_each(function() folder:remove() end)

  it("makes fs.write fail, keeps the old file, leaves nothing half-written, and mends", function()
    local script = folder:write("script.lua", [[
      local fs = require("engine.fs")
      local place = ...
      assert(fs.write(place .. "/state", "old"))
      assert(fs.write(place .. "/ballast", ("x"):rep(40000)))
      print(fs.write(place .. "/state", ("n"):rep(60000)))
      print(fs.write(place .. "/new", ("n"):rep(60000), { exclusive = true }))
      print(fs.read(place .. "/state"), table.concat(fs.list(place), " "))
      os.remove(place .. "/ballast")
      print(fs.write(place .. "/state", ("n"):rep(50000)), #fs.read(place .. "/state"))
    ]])
    folder:sh("mkdir small")
    local small = folder.path .. "/small"
    local result = assert(process.run({
      "unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=64k none "$1" && shift && exec "$@"', "sh", small,
      Daemon.binary(), "run", script, small,
    }))
    if result.stderr:find("^unshare:") then pending("mount namespaces are not allowed here") end
    assert.equal(("nil\tcannot write %s/state: no space left on device\tENOSPC\n"):format(small)
      .. ("nil\tcannot write %s/new: no space left on device\tENOSPC\n"):format(small)
      .. "old\tballast state\n"
      .. "true\t50000\n", result.stdout .. result.stderr)
  end)
end)
