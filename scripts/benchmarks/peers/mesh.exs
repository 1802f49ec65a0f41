# SPDX-License-Identifier: MIT
# One of COUNT nodes n1@127.0.0.1, … that connect to each other by a list, as Peerage and Peerage.Via.List do; says
# whether it has all the others: `elixir --name n1@127.0.0.1 --cookie COOKIE mesh.exs COUNT`.
defmodule Peers do
  use GenServer

  def init(nodes) do
    Process.send_after(self(), :poll, 500)
    {:ok, nodes}
  end

  def handle_info(:poll, nodes) do
    Enum.each(nodes, &Node.connect/1)
    Process.send_after(self(), :poll, 10_000)
    {:noreply, nodes}
  end
end

defmodule Watch do
  def run(others) do
    receive do
      {:nodeup, _} -> if length(Node.list()) == others, do: IO.puts("mesh: full")
      {:nodedown, _} -> IO.puts("mesh: not full")
    end

    run(others)
  end
end

count = System.argv() |> hd() |> String.to_integer()
:net_kernel.monitor_nodes(true)
{:ok, _} = GenServer.start_link(Peers, for(i <- 1..count, do: :"n#{i}@127.0.0.1"))
if length(Node.list()) == count - 1, do: IO.puts("mesh: full")
Watch.run(count - 1)
