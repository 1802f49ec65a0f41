-- SPDX-License-Identifier: MIT
--- Finds the nodes that its config names.
local M = {}

M.options = {
  node_list = {
    type = "list", of = { type = "node" }, required = true,
    doc = 'node names, or tables { name = "app@10.0.0.1", port = 9000, meta = {} }',
  },
}

---@return peerage.Node[] nodes
function M.poll(self) return self.options.node_list end

return M
