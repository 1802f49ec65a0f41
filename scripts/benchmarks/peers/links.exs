# SPDX-License-Identifier: MIT
# Links to app1@127.0.0.1 and so on: `elixir --name NAME --cookie COOKIE links.exs COUNT`; says how many links there are.
[count] = System.argv()
for i <- 1..String.to_integer(count), do: true = Node.connect(:"app#{i}@127.0.0.1")
IO.puts("linked #{length(Node.list(:connected))}")
Process.sleep(:infinity)
