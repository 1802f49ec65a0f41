-- SPDX-License-Identifier: MIT
local Folder = require("support.folder")
local cookies = require("peerage.erlang.cookie")
local crypto = require("engine.crypto")
local fs = require("engine.fs")
local log = require("engine.log")
local task = require("engine.task")

local function octal(digits) return tonumber(digits, 8) end

describe("peerage.erlang.cookie", function()
  local folder, variables, getenv

  -- The home folder of these specs; nobody's own cookie is read or made.
  before_each(function()
    folder, getenv = Folder.new(), os.getenv
    variables = { HOME = folder.path }
    os.getenv = function(name) -- luacheck: ignore 122
      if name == "HOME" or name == "XDG_CONFIG_HOME" then return variables[name] end
      return getenv(name)
    end
  end)

  after_each(function()
    os.getenv = getenv -- luacheck: ignore 122
    log.capture()
    folder:remove()
  end)

  -- As a message has it, with the folder's path left out.
  local function plain(message) return message and (message:gsub(folder.path:gsub("%p", "%%%0"), "~")) end

  local function read(options)
    local cookie, message = cookies.read(options or {})
    return cookie, plain(message)
  end

  local function write(name, text, mode)
    local path = folder.path .. "/" .. name
    assert(fs.write(path, text, { mode = octal(mode or "400") }))
    return path
  end

  describe("of the options", function()
    it("comes first", function()
      write(".erlang.cookie", "HOME")
      assert.equal("GIVEN", (read({ cookie = "GIVEN", cookie_file = "/nowhere" })))
    end)

    it("is checked as that of a file, and not shown", function()
      assert.same({ nil, "cookie: expected a cookie, found nothing" }, { read({ cookie = "" }) })
      assert.same({ nil, "cookie: expected printable ASCII, found another byte at position 4" }, { read({ cookie = "caf\195\169" }) })
    end)
  end)

  describe("of cookie_file", function()
    it("comes before that of the home folder", function()
      write(".erlang.cookie", "HOME")
      assert.equal("FILE", (read({ cookie_file = write("file", "FILE\n") })))
    end)

    it("may be read by the group and through a link, as in a Kubernetes volume", function()
      local path = write("..data", "FILE", "440")
      folder:sh("ln -s ..data cookie")
      assert.equal("FILE", (read({ cookie_file = folder.path .. "/cookie" })))
      assert(fs.write(path, "FILE", { mode = octal("404") }))
      local cookie, message = read({ cookie_file = folder.path .. "/cookie" })
      assert.is_nil(cookie)
      assert.truthy(message:find("its mode 0404 lets others in", 1, true), message)
      assert.truthy(message:find("defaultMode: 0440", 1, true), message)
    end)

    it("is not made when it is missing", function()
      assert.same(
        { nil, "cannot read ~/none: no such file or directory" }, { read({ cookie_file = folder.path .. "/none", may_make = true }) }
      )
      assert.same({}, fs.list(folder.path))
    end)

    it("is bounded", function()
      local cookie, message = read({ cookie_file = write("big", ("x"):rep(1025)) })
      assert.same({ nil, "cannot read ~/big: it is larger than the limit of 1024 bytes" }, { cookie, message })
      assert.same({ nil, "~/big: expected at most 255 bytes, found 256" }, { read({ cookie_file = write("big", ("x"):rep(256)) }) })
      assert.equal(("x"):rep(255), (read({ cookie_file = write("big", ("x"):rep(255) .. "\r\n") })))
    end)
  end)

  -- What erl of OTP 25 makes of these files: spec/system/cookie_spec.lua asks it.
  describe("in a file", function()
    it("ends at the first line end, after which only line ends and blanks may come", function()
      assert.equal("abc", cookies.check("abc"))
      assert.equal("abc", cookies.check("abc\n"))
      assert.equal(" abc ", cookies.check(" abc \r\n \n"))
      assert.same({ nil, "expected one line, found more" }, { cookies.check("abc\ndef\n") })
    end)

    it("is printable ASCII", function()
      assert.equal("~!@#$%^&*() \"'\\", cookies.check("~!@#$%^&*() \"'\\"))
      assert.same({ nil, "expected printable ASCII, found another byte at position 2" }, { cookies.check("a\tb") })
      assert.same({ nil, "expected printable ASCII, found another byte at position 4" }, { cookies.check("abc\0") })
      assert.same({ nil, "expected printable ASCII, found another byte at position 4" }, { cookies.check("abc\127\n") })
    end)

    it("is there", function()
      for _, text in ipairs({ "", "\n", "\r\n \n" }) do
        assert.same({ nil, "expected a cookie, found nothing" }, { cookies.check(text) })
      end
    end)
  end)

  describe("of the home folder", function()
    it("is that of erl", function()
      write(".erlang.cookie", "HOME")
      assert.equal("HOME", (read()))
    end)

    it("is erl's second place when the first is empty", function()
      folder:sh("mkdir -p .config/erlang other/erlang")
      write(".config/erlang/.erlang.cookie", "CONFIG")
      assert.equal("CONFIG", (read({ may_make = true })))
      variables.XDG_CONFIG_HOME = ""
      assert.equal("CONFIG", (read({ may_make = true })))
      variables.XDG_CONFIG_HOME = folder.path .. "/other"
      write("other/erlang/.erlang.cookie", "OTHER")
      assert.equal("OTHER", (read({ may_make = true })))
      write(".erlang.cookie", "HOME")
      assert.equal("HOME", (read()))
    end)

    it("is refused when the group or others can read it, and no other place is looked at", function()
      folder:sh("mkdir -p .config/erlang")
      write(".config/erlang/.erlang.cookie", "CONFIG")
      for _, mode in ipairs({ "0440", "0404", "0640" }) do
        write(".erlang.cookie", "HOME", mode)
        local cookie, message = read({ may_make = true })
        assert.is_nil(cookie)
        assert.truthy(message:find(("cannot read ~/.erlang.cookie: its mode %s lets group or others in"):format(mode), 1, true), message)
      end
    end)

    it("is no cookie when it holds none: that is for its owner to put right", function()
      write(".erlang.cookie", "\n")
      assert.same({ nil, "~/.erlang.cookie: expected a cookie, found nothing" }, { read({ may_make = true }) })
    end)

    it("is made when it is missing: 20 capital letters, for the owner to read, and said", function()
      local said
      log.capture(function(level, _, message, fields) said = { level, message, plain(fields.path) } end)
      local cookie = read({ may_make = true })
      assert.truthy(cookie:find("^" .. ("%u"):rep(20) .. "$"))
      assert.same({ "info", "made a cookie: all nodes need the same one", "~/.erlang.cookie" }, said)
      assert.equal(cookie, (fs.read(folder.path .. "/.erlang.cookie")))
      assert.equal(octal("400"), fs.stat(folder.path .. "/.erlang.cookie").mode)
      assert.equal(cookie, (read()))
    end)

    it("is another each time, of all letters", function()
      log.capture(function() end)
      local seen, letters = {}, {}
      for _ = 1, 40 do
        local cookie = read({ may_make = true })
        assert.is_nil(seen[cookie])
        seen[cookie] = true
        for letter in cookie:gmatch(".") do letters[letter] = true end
        folder:sh("rm -f .erlang.cookie")
      end
      local count = 0
      for _ in pairs(letters) do count = count + 1 end
      assert.equal(26, count)
    end)

    it("has no letter more often than others", function()
      log.capture(function() end)
      local random_as_ever, byte = crypto.random, 229
      finally(function() crypto.random = random_as_ever end) -- luacheck: ignore 122
      crypto.random = function() -- luacheck: ignore 122
        byte = (byte + 1) % 256
        return string.char(byte)
      end
      assert.equal("WXYZABCDEFGHIJKLMNOP", (read({ may_make = true }))) -- 234 to 255 would make A to V likelier
    end)

    it("is not made without leave", function()
      assert.same(
        { nil, "no cookie: there is no ~/.erlang.cookie; give the option cookie or cookie_file" }, { read({ may_make = false }) }
      )
      assert.same({}, fs.list(folder.path))
    end)

    it("is one, when several want to make it at once", function()
      log.capture(function() end)
      local readers = {}
      for i = 1, 8 do readers[i] = function() return (read({ may_make = true })) end end
      local found = assert(task.all(readers))
      for i = 1, 8 do assert.equal(found[1], found[i]) end
      assert.equal(20, #found[1])
      assert.same({ ".erlang.cookie" }, fs.list(folder.path))
    end)

    -- Has erl come first between our look and our making.
    local function make_before(text, mode)
      local write_as_ever = fs.write
      fs.write = function(...) -- luacheck: ignore 122
        fs.write = write_as_ever -- luacheck: ignore 122
        write(".erlang.cookie", text, mode)
        return fs.write(...)
      end
    end

    it("stays erl's when erl made it a moment before", function()
      make_before("ERLS", "400")
      assert.equal("ERLS", (read({ may_make = true })))
    end)

    it("is awaited while erl makes it: at first it is empty and open to all", function()
      local read_as_ever = fs.read
      finally(function() fs.read = read_as_ever end) -- luacheck: ignore 122
      fs.read = function(...) -- luacheck: ignore 122
        local text, message, code = read_as_ever(...)
        if code == "EACCES" then write(".erlang.cookie", "ERLS", "400") end
        return text, message, code
      end
      make_before("", "644")
      assert.equal("ERLS", (read({ may_make = true })))
    end)

    it("is not looked for without HOME", function()
      for _, home in ipairs({ false, "" }) do
        variables.HOME = home or nil
        assert.same({ nil, "no cookie: HOME is not set; give the option cookie or cookie_file" }, { read({ may_make = true }) })
      end
    end)

    it("cannot be made where there is no folder, which is said", function()
      variables.HOME = folder.path .. "/none"
      assert.same({
        nil, "no cookie: cannot write ~/none/.erlang.cookie: no such file or directory; give the option cookie or cookie_file",
      }, { read({ may_make = true }) })
    end)
  end)
end)
