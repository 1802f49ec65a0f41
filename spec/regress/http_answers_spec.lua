-- SPDX-License-Identifier: MIT
-- Answers that the fuzzer found: what libcurl made of them was wrong.
local http = require("engine.http")
local server = require("support.http_server")

describe("an answer", function()
  local it_is

  -- Each connection gets the next of these.
  local function serve(...)
    local answers, count = { ... }, 0
    it_is = server.start(function(_, stream)
      count = count + 1
      stream:write(answers[count])
    end)
  end

  after_each(function() it_is:stop() end)

  -- libcurl went on with the field before, which was another request's and had been freed: the sanitizers see it.
  it("does not begin with a line that goes on with none", function()
    local ended = "Connection: close\r\n\r\n"
    serve("HTTP/1.1 200 OK\r\nServer: a\r\n" .. ended, "HTTP/1.1 200 OK\r\n goes on\r\nServer: b\r\n" .. ended)
    assert.equal("a", assert(http.request({ url = it_is.url })).headers.server)
    assert.same({ nil, ("GET %s/: header without colon"):format(it_is.url), "EPROTO" }, { http.request({ url = it_is.url }) })
  end)

  it("has a status of three digits", function()
    serve("HTTP/2 43302\n\n", "HTTP/2 42\r\n\r\n")
    for _, status in ipairs({ 43302, 42 }) do
      local found, message, code = http.request({ url = it_is.url })
      assert.same({ nil, ("GET %s/: expected a status from 200 to 999, found %d"):format(it_is.url, status), "EPROTO" },
        { found, message, code })
    end
  end)
end)
