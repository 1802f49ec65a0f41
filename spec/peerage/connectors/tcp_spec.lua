-- SPDX-License-Identifier: MIT
-- The tcp connector against listeners of our own: what counts as live, and in which words it ends.
local schema = require("peerage.schema")
local scopes = require("engine.scope")
local task = require("engine.task")
local tcp = require("engine.tcp")
local connector = require("peerage.connectors.tcp")

describe("the tcp connector", function()
  local self, scope, listener, accepted, port

  local function start(options)
    scope = scopes.new()
    self = setmetatable({
      scope = scope, downs = task.queue(),
      options = assert(schema.validate(connector.options, options or {}, "connect")),
      down = function(it, name, reason) it.downs:push({ name, reason }) end,
    }, { __index = connector })
  end

  local function serve()
    listener = assert(tcp.listen({ host = "127.0.0.1" }))
    port = select(2, listener:address())
    accepted = task.queue()
    local it = listener
    task.spawn(function()
      for stream in function() return (it:accept()) end do accepted:push(stream) end
    end)
  end

  before_each(serve)
  after_each(function()
    scope:close()
    listener:close()
    while accepted:count() > 0 do accepted:pop():close() end
  end)

  it("is live while the connection is open, and keeps it", function()
    start()
    assert.is_true(self:connect({ name = "app@127.0.0.1", port = port }))
    assert.same({ "app@127.0.0.1" }, self:nodes())
    local stream = accepted:pop()
    assert(stream:write("what a node may say"))
    assert.equal(0, self.downs:count())
    stream:close()
    assert.same({ "app@127.0.0.1", "closed by the node" }, self.downs:pop())
    assert.same({}, self:nodes())
  end)

  it("says that a connection was reset", function()
    start()
    assert.is_true(self:connect({ name = "app@127.0.0.1", port = port }))
    local stream = accepted:pop()
    assert(self.links["app@127.0.0.1"].stream:write("never read"))
    stream:close() -- with bytes unread
    assert.same({ "app@127.0.0.1", "connection reset by peer" }, self.downs:pop())
  end)

  it("has one connection to a node, however often it is asked", function()
    start()
    assert.is_true(self:connect({ name = "app@127.0.0.1", port = port }))
    assert.is_true(self:connect({ name = "app@127.0.0.1", port = port }))
    accepted:pop():close()
    self.downs:pop()
    assert.equal(0, accepted:count())
  end)

  it("takes the port of the option for a node without one", function()
    start({ port = port })
    assert.is_true(self:connect({ name = "app@127.0.0.1" }))
  end)

  it("prefers the node's own port", function()
    start({ port = port })
    listener:close()
    serve()
    assert.is_true(self:connect({ name = "app@127.0.0.1", port = port }))
  end)

  it("says that there is no port", function()
    start()
    local ok, reason = self:connect({ name = "app@127.0.0.1" })
    assert.is_false(ok)
    assert.equal("no port: neither the provider nor the option port gives one", reason)
  end)

  it("gives the reason in a few words", function()
    start()
    listener:close()
    local ok, reason = self:connect({ name = "app@127.0.0.1", port = port })
    assert.is_false(ok)
    assert.equal("connection refused", reason)
  end)

  it("does not report what it was told to disconnect", function()
    start()
    assert.is_true(self:connect({ name = "app@127.0.0.1", port = port }))
    self:disconnect({ name = "app@127.0.0.1" })
    self:disconnect({ name = "app@127.0.0.1" })
    assert.same({}, self:nodes())
    assert.same({ nil, "eof", "EOF" }, { accepted:pop():read() })
    assert.equal(0, self.downs:count())
  end)

  it("keeps the connection when the task that attempted it has ended", function()
    start()
    local attempt = scope:child(nil, 1)
    assert.is_true(attempt:spawn(self.connect, self, { name = "app@127.0.0.1", port = port }):wait())
    attempt:close()
    assert.is_true(self.links["app@127.0.0.1"].stream:write("still here"))
  end)

  it("closes all connections with its scope", function()
    start()
    assert.is_true(self:connect({ name = "app@127.0.0.1", port = port }))
    local stream = accepted:pop()
    scope:close()
    assert.same({ nil, "eof", "EOF" }, { stream:read() })
  end)

  it("without keep, closes at once and is live until a later probe fails", function()
    start({ keep = false })
    assert.is_true(self:connect({ name = "app@127.0.0.1", port = port }))
    assert.same({ nil, "eof", "EOF" }, { accepted:pop():read() })
    assert.same({ "app@127.0.0.1" }, self:nodes()) -- and probes again
    assert.same({ nil, "eof", "EOF" }, { accepted:pop():read() })
    assert.equal(0, self.downs:count())
    listener:close()
    assert.same({ "app@127.0.0.1" }, self:nodes())
    assert.same({ "app@127.0.0.1", "connection refused" }, self.downs:pop())
    assert.same({}, self:nodes())
  end)
end)
