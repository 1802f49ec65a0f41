# SPDX-License-Identifier: MIT
# The poll of a list of nodes in Elixir: who is new, who is gone: `elixir poll.exs NODES POLLS CHANGED`.
defmodule Poll do
  import Bitwise

  def list(nodes, first) do
    for id <- (first + 1)..(first + nodes) do
      %{name: "app#{id}@10.#{id >>> 16}.#{id >>> 8 &&& 255}.#{id &&& 255}", port: 9000}
    end
  end

  def run(found, known) do
    names = MapSet.new(found, & &1.name)
    kept = Map.filter(known, fn {name, _} -> MapSet.member?(names, name) end)
    Enum.reduce(found, kept, fn node, known -> Map.put(known, node.name, node) end)
  end
end

[nodes, polls, changed] = Enum.map(System.argv(), &String.to_integer/1)
known = Enum.reduce(1..polls, %{}, fn poll, known -> Poll.run(Poll.list(nodes, (poll - 1) * changed), known) end)
if map_size(known) != nodes, do: System.halt(1)
