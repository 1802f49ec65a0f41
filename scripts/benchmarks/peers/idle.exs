# SPDX-License-Identifier: MIT
# Looks localhost up every ten seconds; says when what it found has changed.
defmodule Poller do
  use GenServer

  def init(nodes) do
    send(self(), :poll)
    {:ok, nodes}
  end

  def handle_info(:poll, nodes) do
    Process.send_after(self(), :poll, 10_000)
    {:ok, addresses} = :inet.getaddrs(~c"localhost", :inet)
    found = addresses |> Enum.map(&"app@#{:inet.ntoa(&1)}") |> Enum.sort()
    if found != nodes, do: IO.puts("found #{length(found)}")
    {:noreply, found}
  end
end

{:ok, _} = GenServer.start_link(Poller, [])
Process.sleep(:infinity)
