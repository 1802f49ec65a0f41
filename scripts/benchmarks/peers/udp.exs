# SPDX-License-Identifier: MIT
# A member of a multicast group in Elixir, made as Peerage.Via.Udp is: an active socket, a set of atoms:
# `elixir udp.exs GROUP PORT`.
defmodule Member do
  use GenServer

  def init({group, port}) do
    options = [:binary, active: true, ip: group, reuseaddr: true, add_membership: {group, {127, 0, 0, 1}}]
    {:ok, socket} = :gen_udp.open(port, options)
    {:ok, %{socket: socket, seen: MapSet.new()}}
  end

  def handle_info({:udp, _socket, _address, _port, "Peer:" <> name}, state) do
    {:noreply, %{state | seen: MapSet.put(state.seen, String.to_atom(name))}}
  end
end

[group, port] = System.argv()
{:ok, group} = group |> String.to_charlist() |> :inet.parse_address()
{:ok, _} = GenServer.start_link(Member, {group, String.to_integer(port)})
Process.sleep(:infinity)
