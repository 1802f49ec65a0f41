-- SPDX-License-Identifier: MIT
describe("the Lua state", function()
  it("runs the interpreter only: compiled traces cannot be interrupted and need writable code", function()
    assert.is_false((require("jit").status()))
  end)

  it("finds no modules in the current folder", function()
    for _, paths in ipairs({ package.path, package.cpath }) do
      for path in paths:gmatch("[^;]+") do assert.is_nil(path:match("^%.+/%?")) end
    end
  end)

  it("knows the one version and where its files are", function()
    local engine = require("engine")
    assert.is_truthy(engine.version:find("^%d+%.%d+%.%d+$"))
    assert.is_truthy(io.open(engine.root .. "/lua/peerage/init.lua"))
  end)
end)
