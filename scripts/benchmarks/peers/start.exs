# SPDX-License-Identifier: MIT
# Polls every ten seconds, at once for the first time, and says so.
defmodule Poller do
  use GenServer

  def init(nodes) do
    send(self(), :poll)
    {:ok, nodes}
  end

  def handle_info(:poll, nodes) do
    Process.send_after(self(), :poll, 10_000)
    IO.puts("polled")
    {:noreply, nodes}
  end
end

{:ok, _} = GenServer.start_link(Poller, [])
Process.sleep(:infinity)
