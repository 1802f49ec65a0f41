-- SPDX-License-Identifier: MIT
local formats = require("peerage.formats")

local function read(text, app_name) return formats.read("lines", text, { app_name = app_name }) end

describe("lines", function()
  it("are nodes, with comments, blanks, empty lines, and ends as Windows has them", function()
    assert.are.same({ { name = "a@h1" }, { name = "b@h2", port = 80 }, { name = "web@h3" } },
      read("\239\187\191# all\r\n\r\n  a@h1 \r\nb@h2:80 # second\n\n\th3", "web"))
  end)

  it("may be none", function()
    assert.are.same({}, read("# nobody\n"))
  end)

  it("name the line that is wrong", function()
    assert.are.same({ nil, 'line 3: expected a node name like "app@10.0.0.1", found "x y": it has no "@"' },
      { read("a@h\n# b\nx y\nworse still") })
    local list, message = read("a@h\n10.0.0.1\n")
    assert.is_nil(list)
    assert.is_truthy(message:find("^line 2: .*set app_name"), message)
  end)

  it("that are JSON are told so", function()
    for _, text in ipairs({ '[\n "a@h" ]', '{ "a": 1 }', "[]" }) do
      local _, message = read(text, "web")
      assert.is_truthy(message:find(': it looks like JSON: set format = "json"', 1, true), message)
    end
  end)
end)
