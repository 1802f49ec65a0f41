-- SPDX-License-Identifier: MIT
-- The options of the process's one Erlang node: those of the key `erlang` and those that stand in a cluster's `connect`.
-- Invariant: all clusters that connect through that node have the same options, and no message shows a value.
local describe = require("peerage.describe")
local equal = require("peerage.equal")

local M = {}

-- The connectors that are, or have, the process's Erlang node.
local CONNECTORS = { erlang = true, sidecar = true }

-- What connects through the node, by the names of the clusters.
local function users_of(clusters)
  local names, users = {}, {}
  for name, cluster in next, clusters do
    if CONNECTORS[cluster.connect.target] then names[#names + 1] = name end
  end
  table.sort(names)
  for i, name in ipairs(names) do users[i] = clusters[name].connect end
  return users
end

local function choice(user, path)
  return ("%s is %s%s"):format(user.where:sub(#path + 3), describe.text(user.target), user.default and " (not given)" or "")
end

local function check_connectors(users, path)
  for _, user in ipairs(users) do
    if user.target ~= users[1].target then
      return nil, ("%s: %s and %s: a process speaks for its name in one of these ways only"):format(
        path, choice(users[1], path), choice(user, path))
    end
  end
  return true
end

local function places_of(erlang, users, path)
  local places = {}
  if erlang then places[1] = { where = path .. ": erlang", options = erlang } end
  for _, user in ipairs(users) do places[#places + 1] = { where = user.where, options = user.options } end
  return places
end

local function merge(places, path)
  local merged, origin = {}, {}
  for _, place in ipairs(places) do
    for key, value in next, place.options do
      if origin[key] and not equal(merged[key], value) then
        return nil, ("%s: %s: another value stands in %s: a process has one Erlang node, so there is one for all"):format(
          place.where, describe.key(key), origin[key]:sub(#path + 3))
      end
      merged[key], origin[key] = value, origin[key] or place.where
    end
  end
  return merged
end

-- Without a name a cluster does not connect by it unless that is written.
local function warn_unused(clusters, path)
  local warning = path .. ": erlang: no cluster connects by erlang or sidecar"
  for _, cluster in next, clusters do
    if cluster.connect.default then return warning .. ': give a name, then connect = "erlang" is the default' end
  end
  return warning
end

--- Gives each cluster that connects by the Erlang node all options of the node, wherever they stand.
---@param config { erlang: table?, clusters: table<string, peerage.ClusterConfig> } its clusters are changed in place
---@param path string the config's, for messages
---@return string[]|nil warnings
---@return string? message
function M.spread(config, path)
  local users = users_of(config.clusters)
  if not users[1] then
    return config.erlang and { warn_unused(config.clusters, path) } or {}
  end
  local ok, message = check_connectors(users, path)
  if not ok then return nil, message end
  local places = places_of(config.erlang, users, path)
  local options
  options, message = merge(places, path)
  if not options then return nil, message end
  for _, user in ipairs(users) do user.options, user.places = options, places end
  return {}
end

return M
