-- SPDX-License-Identifier: MIT
local Folder = require("support.folder")
local fs = require("engine.fs")
local secrets = require("peerage.secrets")

local FIRST, SECOND = "0123456789abcdef", "fedcba9876543210"

describe("peerage.secrets", function()
  local folder

  before_each(function() folder = Folder.new() end)
  after_each(function() folder:remove() end)

  local function read(text, mode)
    local path = folder.path .. "/secrets"
    assert(fs.write(path, text, { mode = mode or tonumber("600", 8) }))
    local list, message = secrets.read(path)
    return list, message and message:gsub(path:gsub("%p", "%%%0"), "FILE") or nil
  end

  it("are one a line, without blanks and empty lines", function()
    assert.same({ FIRST, SECOND }, (read(FIRST .. "\n" .. SECOND .. "\n")))
    assert.same({ FIRST, SECOND }, (read("\r\n  " .. FIRST .. "\t\r\n\n" .. SECOND)))
  end)

  it("shorter than 16 bytes are refused, with their line and without themselves", function()
    assert.same({ nil, "FILE:3: expected at least 16 bytes, found 5" }, { read(FIRST .. "\n\nshort\n") })
  end)

  it("are there: a file without any is refused", function()
    assert.same({ nil, "FILE: expected a secret a line, found none" }, { read("\n \n") })
    assert.same({ nil, "FILE: expected a secret a line, found none" }, { read("") })
  end)

  it("are nobody else's: a file that others can read is refused, with what to do", function()
    local list, message = read(FIRST, tonumber("644", 8))
    assert.is_nil(list)
    assert.truthy(message:find("defaultMode: 0440", 1, true), message)
  end)

  it("may be read by the group", function() assert.same({ FIRST }, (read(FIRST, tonumber("440", 8)))) end)

  it("of an option are at least one, of at least 16 bytes", function()
    assert.is_true(secrets.check(FIRST))
    assert.is_true(secrets.check({ FIRST, SECOND }))
    assert.same({ nil, "expected at least 16 bytes, found 15" }, { secrets.check(FIRST:sub(2)) })
    assert.same({ nil, "expected at least 16 bytes, found 0" }, { secrets.check({ FIRST, "" }) })
    assert.same({ nil, "expected at least one secret, found an empty list" }, { secrets.check({}) })
  end)
end)
