-- SPDX-License-Identifier: MIT
-- What luacheck holds the Lua files to.
std = "luajit"
max_line_length = 140
unused_args = false -- a method has its self, an interface its arguments
exclude_files = { "build" }

files["spec"] = { std = "+busted" }
files["spec/run.lua"] = { globals = { "os.exit" } } -- busted's own, held back until the summary
files["scripts/examples"] = { read_globals = { "system", "env", "apply" } }
files["lua/peerage/meta"] = { unused = false } -- declarations only
