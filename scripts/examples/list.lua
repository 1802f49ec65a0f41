-- SPDX-License-Identifier: MIT
-- Nodes that are known beforehand. The tcp connector holds a connection to each: any server will do, such as `python3 -m http.server 4000`.
return {
  via = "list",
  node_list = {
    { name = "myapp1@127.0.0.1", port = 4000 },
    { name = "myapp2@127.0.0.1", port = 4001 },
  },
  connect = "tcp",
  interval = 2,
}
