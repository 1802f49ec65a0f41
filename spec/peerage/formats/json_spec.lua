-- SPDX-License-Identifier: MIT
local accounts = require("engine.account")
local formats = require("peerage.formats")
local scopes = require("engine.scope")

local function read(text, select, app_name) return formats.read("json", text, { select = select, app_name = app_name }) end

local PODS = [[{ "kind": "PodList", "items": [
  { "metadata": { "name": "a" }, "status": { "podIP": "10.0.0.1", "podIPs": [{ "ip": "10.0.0.1" }, { "ip": "fd00::1" }] } },
  { "metadata": { "name": "b" }, "status": { "phase": "Pending" } },
  { "metadata": { "name": "c" }, "status": { "podIP": null } },
  { "metadata": { "name": "d" } },
  { "metadata": { "name": "e" }, "status": { "podIP": "10.0.0.5", "podIPs": [] } }
], "x.y": ["a@h"] }]]

local function names(list)
  local result = {}
  for i, node in ipairs(list) do result[i] = node.name end
  return table.concat(result, " ")
end

describe("a list in JSON", function()
  it("has names, hosts and objects", function()
    assert.are.same({ { name = "a@h" }, { name = "web@10.0.0.1", port = 80 }, { name = "b@h", port = 1, meta = { zone = "b" } } },
      read('["a@h", "10.0.0.1:80", { "name": "b@h", "port": 1, "meta": { "zone": "b" } }]', nil, "web"))
  end)

  it("is certain when it is empty", function()
    assert.are.same({ {} }, { read("[]") })
    assert.are.same({ {} }, { read('{"items":[]}', "items[].ip") })
    assert.are.same({ {} }, { read('{"items":[]}', "items") })
  end)

  for select, expected in pairs({
    ["items[].status.podIP"] = "web@10.0.0.1 web@10.0.0.5", [".items[].status.podIP"] = "web@10.0.0.1 web@10.0.0.5",
    ["items[].status.podIPs[].ip"] = "web@10.0.0.1 web@fd00::1", ["items[].metadata"] = "web@a web@b web@c web@d web@e",
    ['items[]["status"].podIP'] = "web@10.0.0.1 web@10.0.0.5", ['["x.y"]'] = "a@h", ['["x.y"][]'] = "a@h",
  }) do
    it("is where " .. select .. " leads, without those that lack it", function()
      assert.are.equal(expected, names(assert(read(PODS, select, "web"))))
    end)
  end

  it("may be the document itself, and lists of lists", function()
    assert.are.equal("a@h b@h", names(read('[{"n":"a@h"},{"n":"b@h"}]', "[].n")))
    assert.are.equal("a@h b@h", names(read('[["a@h"],["b@h"]]', "[][]")))
    assert.are.equal("a@h b@h", names(read('[{"n":["a@h","b@h"]}]', "[].n")))
  end)

  it("is a part where no element has what is selected, for the path may be wrong", function()
    assert.are.same({ {}, "none of 5 elements has what select names: items[].stauts.podIP" },
      { read(PODS, "items[].stauts.podIP", "web") })
  end)

  for _, case in ipairs({
    { "{}", nil, "expected a list, found an object: select says where the list is" },
    { "5", nil, "expected a list, found a number (5): select says where the list is" },
    { "null", nil, "expected a list, found null: select says where the list is" },
    { "{}", "items", "items: expected a list, found nothing" },
    { "{}", "items[].ip", "items: expected a list, found nothing" },
    { '{"items":5}', "items", "items: expected a list, found a number (5)" },
    { '{"items":{}}', "items", "items: expected a list, found an object" },
    { '{"items":{}}', "items[].ip", "items: expected a list, found an object" },
    { '{"items":null}', "items[]", "items: expected a list, found nothing" },
    { '{"a":{"b":1}}', "a.b.c", "a.b: expected an object with c, found a number (1)" },
    { '{"items":[]}', "items.ip", "items: expected an object with ip, found a list" },
    { '{"items":[{"ip":5}]}', "items[].ip", 'items[1].ip: expected a node, such as "app@10.0.0.1" or an object with such a name, found '
      .. "a number (5)" },
    { '["a@h"', nil, 'line 1, column 7: expected "," or "]", found the end' },
  }) do
    it(("is not %s of %s"):format(case[2] or "the whole", case[1]), function()
      assert.are.same({ nil, case[3] }, { read(case[1], case[2], "web") })
    end)
  end

  it("is a part where some elements cannot be read: of them the first is named, and how many there are", function()
    for _, case in ipairs({
      { '["h","a b"]', nil, '1 of 2 elements cannot be read: [2]: "a b": expected a node name like "app@10.0.0.1", found '
        .. '"web@a b": " " is not allowed after the "@"' },
      { '{"items":[5,{"ip":"h"},{"ip":6},{},7]}', "items[].ip", "3 of 4 elements cannot be read: items[1]: expected an object with ip, "
        .. "found a number (5)" },
      { '[{"ip":["h",["i"]]}]', "[].ip", '1 of 2 elements cannot be read: [1].ip[2]: expected a node, such as "app@10.0.0.1" or an object '
        .. "with such a name, found a list" },
      { '["h",{"ip":"10.0.0.1","port":80}]', nil, "1 of 2 elements cannot be read: [2]: expected an object with a name, found one with "
        .. "ip, port" },
      { '["h",{"name":"i","meta":{"z":[1,null]}}]', nil, "1 of 2 elements cannot be read: [2]: meta.z[2]: "
        .. "expected plain data, found null" },
    }) do
      assert.are.same({ { { name = "web@h" } }, case[3] }, { read(case[1], case[2], "web") })
    end
    assert.are.same({ nil, '2 of 2 elements cannot be read: items[1].ip: expected a node, such as "app@10.0.0.1" or an object with such '
      .. "a name, found a number (5)" }, { read('{"items":[{"ip":5},{"ip":6}]}', "items[].ip", "web") })
  end)

  it("skips elements whose text at the end of the path is empty, as that of who has no address yet", function()
    assert.are.same({ { { name = "web@h" } } }, { read('{"items":[{"ip":""},{"ip":"h"},{"ips":[""]}]}', "items[].ip", "web") })
    assert.are.same({ { { name = "web@h" } } }, { read('[{"ips":["","h",null]}]', "[].ips", "web") })
    assert.are.same({ { { name = "web@h" } } }, { read('[{"ips":["","h",null]}]', "[].ips[]", "web") })
    assert.are.same({ {}, "none of 1 elements has what select names: [].ip" }, { read('[{"ip":""}]', "[].ip", "web") })
    assert.is_truthy(select(2, read('["h",""]', nil, "web")):find("^1 of 2 elements cannot be read"))
  end)

  it("names the element that is a bare host without app_name", function()
    local list, message = read('["a@h","10.0.0.2"]')
    assert.are.same({ { name = "a@h" } }, list)
    assert.is_truthy(message:find("^1 of 2 elements cannot be read: %[2%]: .*set app_name"), message)
  end)

  it("is what a function makes of the document", function()
    local function ready(document)
      local list = {}
      for _, item in ipairs(document.items) do
        if item.status and item.status.podIP then list[#list + 1] = { name = item.status.podIP, meta = item.metadata } end
      end
      return list
    end
    assert.are.same({ { name = "web@10.0.0.1", meta = { name = "a" } }, { name = "web@10.0.0.5", meta = { name = "e" } } },
      read(PODS, ready, "web"))
  end)

  it("is refused where a function gives none", function()
    local function given(...)
      local results = { ... }
      return read("{}", function() return results[1], results[2] end, "web")
    end
    assert.are.same({ nil, "not now" }, { given(nil, "not now") })
    assert.are.same({ { { name = "a@h" } }, "a part" }, { given({ "a@h" }, "a part") })
    assert.are.same({ nil, "select: expected a list, or nil and a message, found nothing" }, { given() })
    assert.are.same({ nil, "select: expected a list, or nil and a message, found a number (5)" }, { given(5) })
    assert.are.same({ nil, "select: expected a list, found the key a" }, { given({ a = 1 }) })
    assert.is_truthy(select(2, given({ 5 })):find("^select: element 1: expected a node"))
    local list, message = given({ "a@h", 5 }, "a part")
    assert.are.same({ { name = "a@h" } }, list)
    assert.is_truthy(message:find("^a part; 1 of 2 elements cannot be read: select: element 2: expected a node"), message)
    assert.has_error(function() read("{}", function() error("boom", 0) end) end, "boom")
  end)
end)

describe("a long list in JSON", function()
  it("of 100,000 pods is read in the memory that a provider has", function()
    local text
    do
      local items = {}
      for i = 1, 100000 do
        items[i] = ('{"metadata":{"name":"pod-%06d"},"status":{"podIP":"10.%d.%d.%d"}}'):format(i, i / 65536, i / 256 % 256, i % 256)
      end
      text = '{"items":[' .. table.concat(items, ",") .. "]}"
    end
    collectgarbage()
    local scope = scopes.new("pods", nil, accounts.new({ label = "pods", memory_limit = 64 * 1024 * 1024 }))
    local ok, nodes, message = scope:spawn(read, text, "items[].status.podIP", "app"):join()
    scope:close()
    assert.is_true(ok, nodes)
    assert.are.same({ 100000, "app@10.0.0.1" }, { #nodes, nodes[1].name }, message)
  end)
end)

describe("a path", function()
  for _, path in ipairs({ "", ".", "a..b", "a.", "[", "[1]", "a[0]", "[]x", 'a["b]', "a[]b", "a.[]" }) do
    it(("is not %q"):format(path), function()
      local parsed, message = require("peerage.formats.path").parse(path)
      assert.is_nil(parsed)
      assert.are.equal(('expected a path such as items[].status.podIP, found "%s"'):format((path:gsub('"', '\\"'))), message)
    end)
  end
end)
