-- SPDX-License-Identifier: MIT
--- A real nginx on loopback, and a CA of the spec's own.
local process = require("engine.process")
local task = require("engine.task")
local tcp = require("engine.tcp")

---@class spec.Nginx
---@field ports integer[]
---@field log string[]
---@field files spec.Folder
local M = {}
M.__index = M

local ATTEMPTS = 20 -- to have ports that nobody takes meanwhile

local CONFIG = [[
user root; daemon off; master_process off; worker_processes 1;
error_log stderr notice; pid nginx.pid;
events { worker_connections 1024; }
http {
  client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  log_format short '$connection $server_protocol $request_method $uri $status $http_accept_encoding';
  access_log access.log short;
  %s
}
]]

--- A CA and what it signs, in `files`: ca.pem; of each name NAME.pem and NAME.key.
---@param files spec.Folder
---@param names table<string, { san: string, expired: boolean? }> "DNS:localhost,IP:127.0.0.1"
function M.make_certificates(files, names)
  local key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
  files:sh(("openssl req -x509 %s -keyout ca.key -out ca.pem -days 2 -subj '/CN=a spec' 2>&1"):format(key))
  for name, is in pairs(names) do
    files:write(name .. ".ext", "subjectAltName=" .. is.san)
    files:sh(("openssl req %s -keyout %s.key -out %s.csr -subj '/CN=%s' 2>&1"):format(key, name, name, name))
    files:sh(("%sopenssl x509 -req -in %s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days %d -extfile %s.ext -out %s.pem 2>&1")
      :format(is.expired and "faketime '3 days ago' " or "", name, is.expired and 1 or 2, name, name))
  end
end

local function free_ports(count)
  local listeners, ports = {}, {}
  for i = 1, count do
    listeners[i] = assert(tcp.listen({ host = "127.0.0.1" }))
    ports[i] = select(2, listeners[i]:address())
  end
  for _, listener in ipairs(listeners) do listener:close() end
  return ports
end

-- The first line that says that it runs; nil when it ended instead.
local function await_start(self)
  for line in self.process:lines() do
    self.log[#self.log + 1] = line
    if line:find("start worker process", 1, true) or line:find("using the \"", 1, true) then return true end
  end
end

local function start(self, config, ports)
  local text = config:gsub("PORT(%d)", function(i) return tostring(ports[tonumber(i)]) end)
  self.files:write("nginx.conf", CONFIG:format(text))
  local command = 'exec "$@" 2>&1'
  self.process = assert(process.start({
    "sh", "-c", command, "sh", "nginx", "-p", self.files.path, "-c", self.files.path .. "/nginx.conf", "-e", "stderr",
  }))
  local ok = task.timeout(10, await_start, self)
  if not ok then return false end
  self.reader = task.spawn(function()
    for line in self.process:lines() do self.log[#self.log + 1] = line end
  end)
  return true
end

--- Starts one.
---@param files spec.Folder its folder
---@param config string what stands in http { }; PORT1, PORT2… are free ports
---@return spec.Nginx running with its `ports`, the first is PORT1's, and its `log`, a list of lines
function M.start(files, config)
  local count = 0
  for i in config:gmatch("PORT(%d)") do count = math.max(count, tonumber(i)) end
  for _ = 1, ATTEMPTS do
    local self = setmetatable({ files = files, log = {}, ports = free_ports(count) }, M)
    if start(self, config, self.ports) then return self end
    self.process:close()
    if not table.concat(self.log):find("in use", 1, true) then error("nginx: " .. table.concat(self.log, "\n")) end
  end
  error("nginx found no free ports")
end

--- The lines of its access log: connection, protocol, method, path, status, Accept-Encoding.
---@return string[][]
function M:requests()
  local requests = {}
  for line in self.files:sh("cat access.log"):gmatch("[^\n]+") do
    local words = {}
    for word in line:gmatch("%S+") do words[#words + 1] = word end
    requests[#requests + 1] = words
  end
  return requests
end

function M:stop()
  self.process:kill("TERM")
  self.process:wait()
  self.reader:cancel()
  self.process:close()
end

return M
