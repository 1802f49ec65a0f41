-- SPDX-License-Identifier: MIT
local Folder = require("support.folder")
local glob = require("peerage.glob")

local NAMES = { "a", "ab", "abc", "a.b", "a.bb", "b.a.b", ".a", "aXb", "a%b", "ba", "aa", "aba" }

describe("a pattern of file names", function()
  it("matches what a shell's does", function()
    local folder = Folder.new()
    for _, name in ipairs(NAMES) do folder:write(name, "") end
    for _, pattern in ipairs({ "*", "?", "a*", "*a", "a*b", "*b*", "a.*", "a?b",
      "??", "a%*", ".*", ".?", "*a*a*", "a*a", "**", "*.b", "x*" }) do
      local expected, found = folder:sh(("for n in %s; do if [ -f \"$n\" ]; then echo \"$n\"; fi; done"):format(pattern)), {}
      local matches = glob(pattern)
      table.sort(NAMES)
      for _, name in ipairs(NAMES) do
        if matches(name) then found[#found + 1] = name .. "\n" end
      end
      local lines = {}
      for line in expected:gmatch("[^\n]+\n") do lines[#lines + 1] = line end
      table.sort(lines)
      assert.are.same({ pattern, lines }, { pattern, found })
    end
    folder:remove()
  end)

  it("is none where there is neither star nor question mark", function() assert.is_nil(glob("a.txt")) end)

  it("takes no time to speak of, however many stars there are", function()
    local started = os.clock()
    assert.is_false(glob(("*a"):rep(100) .. "*b")(("a"):rep(255)))
    assert.is_true(os.clock() - started < 1)
  end)
end)
