-- SPDX-License-Identifier: MIT
--- What waits most of the time, as its users would run it: what `fleet` starts for the works that look at idle processes.
local M = {
  RARELY = 3600, -- seconds between polls, of which none comes while it is looked at
}

---@param measure bench.Measure
---@return bench.Candidate
function M.bare(measure)
  return { who = "bare C", jobs = { { command = { measure.tools .. "/bench-idle" }, ready = "ready" } } }
end

--- The engine, which has looked localhost up and does it again in an hour.
---@param measure bench.Measure
---@return bench.Candidate
function M.still(measure)
  local command = { measure.engine, measure.scripts .. "/configs/dns.lua" }
  return { who = "peerage-lua", jobs = { { command = command, ready = "found 1", env = { BENCH_INTERVAL = M.RARELY } } } }
end

---@param measure bench.Measure
---@return bench.Candidate[] engine, node and elixir, which look localhost up every ten seconds
function M.resolving(measure)
  local peers = measure.scripts .. "/peers/idle"
  return {
    { who = "peerage-lua", jobs = { { command = { measure.engine, measure.scripts .. "/configs/dns.lua" }, ready = "found 1" } } },
    { who = "node", needs = "node", jobs = { { command = { "node", peers .. ".mjs" }, ready = "found 1" } } },
    { who = "elixir", needs = "elixir", jobs = { { command = { "elixir", peers .. ".exs" }, ready = "found 1" } } },
  }
end

--- The engine, in a group of so many by the udp provider.
---@param measure bench.Measure
---@param count integer
---@param port integer
---@param interval number|nil seconds between polls, if not as shipped
---@return bench.Candidate
function M.grouped(measure, count, port, interval)
  local jobs = {}
  for i = 1, count do
    jobs[i] = {
      command = { measure.engine, measure.scripts .. "/configs/group.lua" },
      env = { BENCH_NAME = ("app%d@127.0.0.1"):format(i), BENCH_PORT = port, BENCH_INTERVAL = interval },
      ready = count > 1 and "known " .. count - 1 or "anyone on the network",
    }
  end
  return { who = "peerage-lua", jobs = jobs }
end

--- Serf, as many agents that have joined; each has a loopback address of its own.
---@param count integer
---@param port integer
---@return bench.Candidate
function M.serf(count, port)
  local jobs = {}
  for i = 1, count do
    local address = "127.0.1." .. i
    local command = {
      "serf", "agent", "-node=app" .. i, ("-bind=%s:%d"):format(address, port), ("-rpc-addr=%s:%d"):format(address, port + 1),
    }
    if i > 1 then
      command[#command + 1] = ("-retry-join=127.0.1.1:%d"):format(port)
      command[#command + 1] = "-retry-interval=1s" -- until the first one is there
    end
    jobs[i] = { command = command, ready = "agent: Serf agent starting" }
  end
  return { who = "serf", needs = "serf", jobs = jobs }
end

return M
