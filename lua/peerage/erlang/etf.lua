-- SPDX-License-Identifier: MIT
--- Erlang's external term format: Lua values that stand for terms, to bytes and back. Pure.
--- Invariant: what `encode` gives is byte for byte `term_to_binary(Term, [{minor_version, 2}])` of OTP 25, without the 131.
--- Source of the format: the guide "External Term Format" of Erlang/OTP.
local atom = require("peerage.erlang.etf.atom")
local data_terms = require("peerage.erlang.etf.data")
local decoder = require("peerage.erlang.etf.decode")
local describe = require("peerage.erlang.etf.describe")
local encoder = require("peerage.erlang.etf.encode")
local identifier = require("peerage.erlang.etf.identifier")
local kinds = require("peerage.erlang.etf.kinds")

local M = {
  atom = atom.new,
  kind = kinds.kind,

  big = data_terms.big,
  bits = data_terms.bits,
  float = data_terms.float,
  list = data_terms.list,
  map = data_terms.map,
  tuple = data_terms.tuple,

  export = identifier.export,
  pid = identifier.pid,
  port = identifier.port,
  reference = identifier.reference,
}

--- The bytes of a term, without the leading 131. Raises for what is no term, and for one nested deeper than 1000.
---@param term peerage.erlang.Term
---@return string bytes
function M.encode(term) return encoder.encode(term) end

--- Reads one term, without a leading 131. What follows it is the caller's matter.
---@param data string
---@param at? integer where the term begins, default 1
---@param limits? peerage.erlang.Limits
---@return peerage.erlang.Term|nil term
---@return integer|string next position after the term, or the message: "byte 3: a tuple of 7 elements, but only 2 bytes are left"
function M.decode(data, at, limits) return decoder.decode(data, at, limits) end

--- Whether two terms are the same (`=:=`); the order of a map does not count. The floats 0.0 and -0.0 differ, as from OTP 27 on.
---@param a peerage.erlang.Term
---@param b peerage.erlang.Term
---@return boolean
function M.equal(a, b)
  return a == b or encoder.canonical(a) == encoder.canonical(b)
end

--- A term as Erlang would write it, for messages: at most 200 bytes, printable ASCII, on one line.
---@param term peerage.erlang.Term
---@return string text
function M.describe(term) return describe.term(term) end

return M
