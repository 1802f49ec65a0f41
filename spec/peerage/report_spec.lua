-- SPDX-License-Identifier: MIT
-- What operators read: the table after a poll, the same as data, and the answer to SIGUSR1.
local report = require("peerage.report")

local function input(changes)
  local t = {
    version = "0.1.0", cluster = "default", provider = "dns", interval = 10, rows = {}, live = {},
  }
  for key, value in pairs(changes or {}) do
    t[key] = value
  end
  return t
end

local function has(text, part) assert.is_truthy(text:find(part, 1, true), ("%q is not in\n%s"):format(part, text)) end
local function lacks(text, part) assert.is_falsy(text:find(part, 1, true), ("%q is in\n%s"):format(part, text)) end

local function many(count)
  local rows, names = {}, {}
  for i = 1, count do
    names[i] = ("app%05d@h"):format(i)
    rows[i] = { names[i], ok = true }
  end
  return rows, names
end

describe("report.table", function()
  it("is Peerage's table", function()
    assert.equal(
      [[
[peerage 0.1.0] [dns] discovery every 10 s

     NAME                RESULT OF ATTEMPT
     myapp@10.0.0.7      true
     myapp@10.0.0.9      false (connection refused)

     LIVE NODES
     myapp@10.0.0.5 (self)
     myapp@10.0.0.7]],
      report.table(input({
        rows = { { "myapp@10.0.0.7", ok = true }, { "myapp@10.0.0.9", ok = false, reason = "connection refused" } },
        live = { "myapp@10.0.0.5", "myapp@10.0.0.7" },
        self_name = "myapp@10.0.0.5",
      }))
    )
  end)

  it("names the cluster unless it is the only one", function()
    local text = report.table(input({ cluster = "web", interval = 0.5 }))
    has(text, "[peerage 0.1.0] [dns] [cluster web] discovery every 0.5 s\n")
  end)

  it("says (none) in an empty section", function()
    has(report.table(input()), "NAME      RESULT OF ATTEMPT\n     (none)\n\n     LIVE NODES\n     (none)")
  end)

  it("has true for this node's own name, whatever the attempt says", function()
    local text = report.table(input({ rows = { { "me@h", ok = false, reason = "self" } }, self_name = "me@h" }))
    has(text, "     me@h      true\n")
  end)

  it("tells not tried from failed", function()
    local rows = { { "a@h", reason = "next try in 8 s" }, { "b@h" }, { "c@h", ok = false } }
    local text = report.table(input({ rows = rows }))
    has(text, "     a@h       not tried (next try in 8 s)\n     b@h       not tried\n     c@h       false\n")
  end)

  it("says that the list is old, and why", function()
    local text = report.table(input({ stale = "no answer from 10.0.0.53" }))
    has(text, "\n     stale: this is the last good list (no answer from 10.0.0.53)\n")
  end)

  it("lines up behind a name of 255 bytes", function()
    local long = ("n"):rep(253) .. "@h"
    local text = report.table(input({ rows = { { long, ok = true }, { "a@h", ok = true } } }))
    has(text, long .. "      true")
    has(text, "a@h" .. (" "):rep(252 + 6) .. "true")
  end)

  it("cuts very long lists and says how many are left out", function()
    local rows, names = many(10000)
    local text = report.table(input({ rows = rows, live = names }))
    has(text, "app00100@h      true\n     … and 9900 more\n")
    lacks(text, "app00101@h")
    assert.equal(2, select(2, text:gsub("… and 9900 more", "")))
    has(report.table(input({ rows = rows, limit = 9999 })), "… and 1 more")
  end)

  it("lets nothing forge a line or drive a terminal", function()
    local text = report.table(input({
      rows = { { "a@h", ok = false, reason = "x\n     b@h true\27[2J\194\155" } }, stale = "y\r\nz",
    }))
    has(text, "false (x\\010     b@h true\\027[2J\\194\\155)")
    has(text, "(y\\013\\010z)")
  end)

  it("leaves other languages readable", function()
    has(report.table(input({ stale = "Zeitüberschreitung" })), "(Zeitüberschreitung)")
  end)

  it("describes a reason that is not a string", function()
    has(report.table(input({ rows = { { "a@h", ok = false, reason = {} } } })), "false (a table)")
  end)
end)

describe("report.fields", function()
  it("says the same as plain data", function()
    assert.same(
      {
        version = "0.1.0", cluster = "default", provider = "dns", interval = 10, stale = "late", self = "me@h",
        rows = {
          { name = "a@h", ok = true },
          { name = "b@h", ok = false, reason = "refused" },
          { name = "c@h" },
          { name = "me@h", ok = true },
        },
        live = { "a@h", "me@h" },
      },
      report.fields(input({
        rows = {
          { "a@h", ok = true },
          { "b@h", ok = false, reason = "refused" },
          { "c@h" },
          { "me@h", ok = false, reason = "x" },
        },
        live = { "a@h", "me@h" }, stale = "late", self_name = "me@h",
      }))
    )
  end)

  it("cuts very long lists too", function()
    local rows, names = many(250)
    local fields = report.fields(input({ rows = rows, live = names, limit = 200 }))
    assert.equal(200, #fields.rows)
    assert.equal(50, fields.rows_left_out)
    assert.equal(200, #fields.live)
    assert.equal(50, fields.live_left_out)
  end)
end)

describe("report.explain", function()
  local function record(changes)
    local r = {
      name = "a@h", found = true, found_at = 65, seen_at = 97, source = "dns",
      live = false,
    }
    for key, value in pairs(changes or {}) do
      r[key] = value
    end
    return r
  end

  local function explain(records, changes)
    local cluster = { name = "web", provider = "dns", connector = "tcp", nodes = records }
    cluster.last_poll = { at = 97, took = 0.0123, outcome = "complete, 2 nodes" }
    local t = { now = 100, version = "0.1.0", self_name = "me@h", clusters = { cluster } }
    for key, value in pairs(changes or {}) do
      t[key] = value
    end
    return report.explain(t)
  end

  it("opens each cluster with its parts, its counts and its last poll", function()
    local text = explain({ record(), record({ name = "b@h", live = true, live_at = 80 }) })
    has(text, "[peerage 0.1.0] state of me@h\n\ncluster web: provider dns, connector tcp, 2 found, 1 live\n")
    has(text, "     last poll 3.0 s ago, took 0.012 s: complete, 2 nodes\n")
  end)

  it("says when a cluster was not polled yet and knows nobody", function()
    has(
      explain({}, { clusters = { { name = "x", provider = "udp", connector = "none", nodes = {} } } }),
      "cluster x: provider udp, connector none, 0 found, 0 live\n     not polled yet\n     (none)"
    )
  end)

  it("tells one line about a node that cannot be reached", function()
    local tried = { attempts = 4, failures = 3, tried_at = 92, last_error = "connection refused", next_try = 108 }
    has(
      explain({ record(tried) }),
      "\n     a@h: found by dns 35 s ago (last named 3.0 s ago), not live, 4 attempts (the last 3 failed), "
        .. "the last 8.0 s ago, last error: connection refused, next try in 8.0 s"
    )
  end)

  it("tells since when a node is live", function()
    local text = explain({ record({ live = true, live_at = 66, attempts = 1, tried_at = 66, port = 9000 }) })
    has(text, "a@h port 9000: found by dns 35 s ago (last named 3.0 s ago), live for 34 s, 1 attempt, the last 34 s ago")
    lacks(text, "next try")
  end)

  it("tells that a node went down", function()
    local text = explain({ record({ down_at = 95, last_error = "eof", next_try = 99 }) })
    has(text, "not live, went down 5.0 s ago, never tried, last error: eof, next try is due")
  end)

  it("tells that a live node is on its way out", function()
    has(
      explain({ record({ found = false, live = true, live_at = 70, missing = 2, seen_at = 77 }) }),
      "a@h: not found (last named by dns 23 s ago, missing from 2 polls), live for 30 s"
    )
  end)

  it("tells of a node that only the connector knows", function()
    local inbound = { name = "x@h", found = false, live = true, live_at = 90, missing = 4 }
    local text = explain({ inbound })
    has(text, "x@h: never found, live for 10 s, never tried")
  end)

  it("tells this node from the others", function()
    local text = explain({ record({ name = "me@h" }) })
    has(text, "me@h: found by dns 35 s ago (last named 3.0 s ago), this node itself")
    lacks(text, "not live")
  end)

  it("shows of very many nodes those that are in trouble, and how many more there are", function()
    local nodes = {}
    for i = 1, 5003 do nodes[i] = record({ name = ("n%d@h"):format(i), found = true, live = i ~= 5002, live_at = 70 }) end
    local text = explain(nodes)
    has(text, "n5002@h: found by dns")
    has(text, "n4999@h: ")
    lacks(text, "n5000@h: ")
    has(text, "… and 3 more")
  end)

  it("shows what was wrong with the last list, since X may be there", function()
    local problems = { 'entry 3: found "x"', "entry 9: found a number (3)" }
    local poll = { at = 97, took = 0.1, outcome = "complete", problems = problems, problem_count = 12 }
    has(
      explain({}, { clusters = { { name = "x", provider = "dns", connector = "tcp", nodes = {}, last_poll = poll } } }),
      "     that poll's list had 12 problems:\n       entry 3: found \"x\"\n"
        .. "       entry 9: found a number (3)\n     … and 10 more\n"
    )
  end)

  it("says what each part of a cluster costs, and that its provider fails", function()
    local cluster = { name = "x", provider = "dns", connector = "tcp", nodes = {}, failing = 12, period = 60,
      uses = { { who = "x: provider dns", bytes = 2.5 * 2 ^ 20, cpu = 0.0312, tasks = 1, handles = 2 } } }
    has(explain({}, { clusters = { cluster } }), "     failing: the last 12 polls failed, it is polled every 60 s\n"
      .. "     x: provider dns: 2.5 MB, 0.031 s of CPU, 1 task, 2 handles\n")
    cluster.failing = nil
    lacks(explain({}, { clusters = { cluster } }), "failing")
  end)

  it("ends with the counters by name", function()
    local text = explain({ record() }, { counters = { own = 12, malformed = 3, full = 0, unicast = 7, stale = 1 } })
    has(text, "\n\ncounters\n     full: 0\n     malformed: 3\n     own: 12\n     stale: 1\n     unicast: 7")
    lacks(explain({ record() }, { counters = {} }), "counters")
  end)

  it("escapes what came from the network", function()
    has(explain({ record({ last_error = "bad\27[2J\nreply" }) }), "last error: bad\\027[2J\\010reply")
  end)
end)
