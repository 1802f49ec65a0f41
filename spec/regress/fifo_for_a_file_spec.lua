-- SPDX-License-Identifier: MIT
-- Found by hand: a config or a provider that is a fifo was waited for, for ever; /dev/zero was read without end.
local Folder = require("support.folder")
local environment = require("peerage.environment")
local peerage = require("peerage")
local plan = require("peerage.plan")

describe("a path that leads to no regular file", function()
  local folder
  before_each(function()
    folder = Folder.new()
    folder:sh("mkfifo pipe.lua; mkdir folder.lua; ln -s /dev/zero zero.lua")
  end)
  after_each(function() folder:remove() end)

  local KINDS = { ["pipe.lua"] = "a fifo", ["folder.lua"] = "a directory", ["zero.lua"] = "a character device" }

  for name, kind in pairs(KINDS) do
    it("is refused where a config is expected: " .. kind, function()
      local path = folder.path .. "/" .. name
      assert.same({ nil, ("%s: cannot be read: it is %s, expected a regular file"):format(path, kind) },
        { (peerage.load_config(path)), (select(2, peerage.load_config(path))) })
    end)

    it("is refused where a provider or what it requires is expected: " .. kind, function()
      folder:write("asks.lua", ("require(%q) return { poll = print }"):format((name:gsub("%.lua$", ""))))
      for _, via in ipairs({ name, "asks" }) do
        local path = folder:write("config.lua", ("return { via = %q, connect = 'none' }"):format(via))
        local planned, message = plan.prepare(assert(peerage.load_config(path)))
        assert.is_nil(planned)
        local expected = name .. ": cannot be read: it is " .. kind .. ", expected a regular file"
        assert(message:find(expected, 1, true), message)
      end
    end)
  end

  it("is opened by no provider, if that could wait for it", function()
    local globals = environment.new({ folder = folder.path })
    local run = function(code) return setfenv(assert(loadstring(code)), globals)() end
    assert.same({ nil, folder.path .. "/pipe.lua: it is a fifo, which would hold up the engine: expected a regular file", 22 },
      { run("return io.open(folder .. '/pipe.lua')") })
    for _, code in ipairs({ "io.lines(folder .. '/pipe.lua')", "io.input(folder .. '/pipe.lua')", "io.output(folder .. '/pipe.lua')",
      "dofile(folder .. '/pipe.lua')", "io.lines('/dev/zero')" }) do
      assert.error_matches(function() run(code) end, "it is a")
    end
    assert.same({ nil, folder.path .. "/pipe.lua: cannot be read: it is a fifo, expected a regular file" },
      { run("return loadfile(folder .. '/pipe.lua')") })
    assert.equal(4, #run("return io.open('/dev/urandom'):read(4)"))
    assert.is_truthy(run("return io.open('/dev/null', 'w'):write('x')"))
  end)
end)
