-- SPDX-License-Identifier: MIT
--- Requests to a real nginx, 200 in flight: what a client spends on each, and how long each takes it. From the difference
--- between many and few, so that starting is not counted. The server's CPU is not, but it has cores of its own only where
--- there are enough.
local nginx = require("support.nginx")

local M = {}

local COUNT, IN_FLIGHT = 40000, 200
local FEW = 10 -- of as many requests one is in the run that is subtracted
local LIST = '[{"targets":["10.0.0.1:9000","10.0.0.2:9000","10.0.0.3:9000"],"labels":{"zone":"a"}}]'

M.needs = "nginx"

local server

local function start(folder)
  folder:write("nodes.json", LIST)
  server = nginx.start(folder, ("server { listen 127.0.0.1:PORT1; access_log off; keepalive_requests 1000000000; root %s; }")
    :format(folder.path))
  return ("http://127.0.0.1:%d/nodes.json"):format(server.ports[1])
end

local function commands(measure)
  return {
    ["bare C"] = { measure.tools .. "/bench-http" },
    ["peerage-lua"] = { measure.engine, "run", measure.scripts .. "/clients/http.lua" },
    node = { "node", measure.scripts .. "/peers/http.mjs" },
  }
end

-- What one of `count` requests takes.
local function costs(measure, url, who, count, is_counted)
  return measure:slopes(function(many)
    local command = commands(measure)[who]
    for _, argument in ipairs({ url, many, IN_FLIGHT }) do command[#command + 1] = argument end
    return command, { count = is_counted }
  end, math.ceil(count / FEW), count)
end

--- Instructions of one request.
---@param measure bench.Measure
---@param count integer requests
---@param who "peerage-lua"|"bare C"
---@return number instructions
function M.count(measure, count, who)
  local found = costs(measure, start(measure.folder), who, count, true)
  M.stop()
  return found.instructions
end

local function make_runner(measure, url, who, needs)
  return { who = who, needs = needs, run = function()
    local found = costs(measure, url, who, measure:scaled(COUNT))
    return { cpu = found.cpu, time = found.wall }
  end }
end

---@param measure bench.Measure
---@return bench.Case[]
function M.cases(measure)
  local url = start(measure.folder)
  return { {
    name = "http", title = "requests, 200 in flight",
    figures = { cpu = { unit = "us", scale = 1e6 }, time = { unit = "us", scale = 1e6, budget = { ratio = 2 } } },
    runners = {
      make_runner(measure, url, "bare C"), make_runner(measure, url, "peerage-lua"), make_runner(measure, url, "node", "node"),
    },
  } }
end

--- Ends the server.
function M.stop()
  if server then server:stop() end
  server = nil
end

return M
