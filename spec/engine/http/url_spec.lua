-- SPDX-License-Identifier: MIT
-- What a message may show of a URL that cannot be read.
local http = require("engine.http")
local url = require("engine.http.url")

describe("a URL that cannot be read", function()
  it("is shown without what may be a secret", function()
    for text, shown in pairs({
      ["http://127.0.0.1:x/y"] = "http://127.0.0.1:x/y",
      ["http://h:x/y?token=secret"] = "http://h:x/y?…",
      ["http://h:x/y#secret"] = "http://h:x/y#…",
      ["http://joe:secret@h:x/"] = "http://…@h:x/",
      ["HTTPS://joe:secret@h:x/"] = "HTTPS://…@h:x/",
      ["http://joe:pa/secret@127.0.0.1/"] = "http://…@127.0.0.1/",
      ["http://joe:pa#secret@127.0.0.1/"] = "http://…",
      ["http://joe:pa?secret@127.0.0.1/"] = "http://…",
      ["http://h:x/?mail=a@b&token=secret"] = "http://…",
      ["http://joe:secret@more@h:x/?token=secret"] = "http://…@h:x/?…",
      ["joe:secret@127.0.0.1/x"] = "…@127.0.0.1/x",
      ["http:/joe:secret@h/"] = "…@h/",
      ["http:joe:secret@h/"] = "…@h/",
      ["foo://joe:secret@h"] = "…@h",
      ["http://h/\r\nX: y"] = "http://h/??X: y",
    }) do
      assert.equal(shown, url.veil(text), text)
      local _, message = http.request({ url = text })
      assert.is_truthy(message:find('bad url "' .. shown .. '": ', 1, true), message)
    end
  end)

  it("is cut, and quickly", function()
    local began = os.clock()
    assert.equal(200, #url.veil("http://" .. ("a"):rep(5000)))
    url.veil(("@//"):rep(1000000))
    url.veil(("//a"):rep(1000000))
    assert.is_true(os.clock() - began < 0.5)
  end)
end)
