-- SPDX-License-Identifier: MIT
local formats = require("peerage.formats")

local function read(text) return formats.read("prometheus", text, { app_name = "node" }) end

-- https://prometheus.io/docs/prometheus/latest/http_sd/#http_sd-format
local HTTP_SD = [[
[
    {
        "targets": ["10.0.10.2:9100", "10.0.10.3:9100", "10.0.10.4:9100", "10.0.10.5:9100"],
        "labels": {
            "__meta_datacenter": "london",
            "__meta_prometheus_job": "node"
        }
    },
    {
        "targets": ["10.0.40.2:9100", "10.0.40.3:9100"],
        "labels": {
            "__meta_datacenter": "london",
            "__meta_prometheus_job": "alertmanager"
        }
    },
    {
        "targets": ["10.0.40.2:9093", "10.0.40.3:9093"],
        "labels": {
            "__meta_datacenter": "newyork",
            "__meta_prometheus_job": "alertmanager"
        }
    }
]
]]

-- https://prometheus.io/docs/guides/file-sd/
local FILE_SD = [[
[
  {
    "labels": {
      "job": "node"
    },
    "targets": [
      "localhost:9100"
    ]
  }
]
]]

describe("Prometheus' groups of targets", function()
  it("are read as its documentation of http_sd has them", function()
    local nodes = assert(read(HTTP_SD))
    assert.are.equal(8, #nodes)
    assert.are.same({
      name = "node@10.0.10.2", port = 9100, meta = { __meta_datacenter = "london", __meta_prometheus_job = "node" },
    }, nodes[1])
    assert.are.same({
      name = "node@10.0.40.3", port = 9093, meta = { __meta_datacenter = "newyork", __meta_prometheus_job = "alertmanager" },
    }, nodes[8])
  end)

  it("are read as its guide to file_sd has them", function()
    assert.are.same({ { name = "node@localhost", port = 9100, meta = { job = "node" } } }, read(FILE_SD))
  end)

  it("may be none, lack labels, and have targets without a port", function()
    assert.are.same({}, read("[]"))
    assert.are.same({}, read('[{"targets":[]}]'))
    assert.are.same({ { name = "node@prometheus.io" }, { name = "node@fd00::1", port = 80 } },
      read('[{"targets":["prometheus.io"],"labels":{}},{"targets":["[fd00::1]:80"],"labels":null}]'))
  end)

  for text, expected in pairs({
    ["{}"] = "expected a list of { targets, labels }, found an object",
    ["5"] = "expected a list of { targets, labels }, found a number (5)",
    ['["10.0.0.1:80"]'] = 'group 1: expected an object with targets, found "10.0.0.1:80"',
    ['[{"targets":"h:1"}]'] = 'group 1: targets: expected a list of "host:port", found "h:1"',
    ['[{"targets":{}}]'] = 'group 1: targets: expected a list of "host:port", found an object',
    ['[{"targets":["http://h/x"]}]'] = 'group 1: target 1: "http://h/x": expected a port from 1 to 65535, found "//h/x"',
    ['[{"targets":["h:1"],"labels":[]}]'] = "group 1: labels: expected an object, found a list",
    ['[{"targets":["h:1"],"labels":{"a":1}}]'] = "group 1: labels: a: expected a string, found a number (1)",
    ["[{"] = "line 1, column 3: expected a key in quotes, found the end",
    ["- targets:\n  - h:1\n"] = 'line 1, column 1: expected a value, found "-": it looks like YAML: only JSON is read',
  }) do
    it("are not " .. text:gsub("\n.*", ""), function() assert.are.same({ nil, expected }, { read(text) }) end)
  end

  it("are a part where some cannot be read, and none where none can", function()
    local a, b = { name = "node@h", port = 1 }, { name = "node@i", port = 2 }
    for text, message in pairs({
      ['[{"targets":["h:1"]},{},{"targets":["i:2"]}]'] =
        '1 of 3 elements cannot be read: group 2: targets: expected a list of "host:port", found nothing',
      ['[{"targets":["h:1",5,"i:2","http://h/x"]}]'] =
        '2 of 4 elements cannot be read: group 1: target 2: expected "host:port", found a number (5)',
    }) do
      assert.are.same({ { a, b }, message }, { read(text) })
    end
    assert.are.same({ nil, '2 of 2 elements cannot be read: group 1: target 1: expected "host:port", found a number (5)' },
      { read('[{"targets":[5]},6]') })
  end)
end)
