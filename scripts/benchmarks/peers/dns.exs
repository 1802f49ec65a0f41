# SPDX-License-Identifier: MIT
# Asks for the addresses of name0.DOMAIN to name999.DOMAIN, each process for its share of them:
# `elixir dns.exs DOMAIN COUNT IN_FLIGHT ADDRESS:PORT…`, IN_FLIGHT at each server.
[domain, count, in_flight | servers] = System.argv()
count = String.to_integer(count)

nameservers =
  for server <- servers do
    [address, port] = String.split(server, ":")
    {:ok, address} = address |> String.to_charlist() |> :inet.parse_address()
    {address, String.to_integer(port)}
  end

ask = fn i, nameserver ->
  name = String.to_charlist("name#{rem(i, 1000)}.#{domain}")
  {:ok, answer} = :inet_res.resolve(name, :in, :a, nameservers: [nameserver])
  [_address] = :inet_dns.msg(answer, :anlist)
end

all = length(servers) * String.to_integer(in_flight)

1..all
|> Enum.zip(Stream.cycle(nameservers))
|> Enum.map(fn {first, nameserver} ->
  Task.async(fn -> for i <- first..count//all, do: ask.(i, nameserver) end)
end)
|> Task.await_many(:infinity)
