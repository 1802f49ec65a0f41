-- SPDX-License-Identifier: MIT
--- Terms as Erlang would write them, for messages.
--- Invariant: at most 200 bytes, printable ASCII, on one line; the work is bounded too, however big the term.
local kinds = require("peerage.erlang.etf.kinds")
local byte, metatables = string.byte, kinds.metatables

local M = {}

local LONGEST = 200 -- bytes
local ELLIPSIS = "..."
local PLAIN_ATOM = "^%l[%w_@]*$"
local NAMED = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local RESERVED = {}
for word in ([[after and andalso band begin bnot bor bsl bsr bxor case catch cond div else end fun if let maybe not of
  or orelse receive rem try when xor]]):gmatch("%a+") do
  RESERVED[word] = true
end

local writers = {}

-- Takes no more once it is full: whoever writes many things asks `out.left`.
local function put(out, text)
  if out.left < 0 then return end
  out[#out + 1] = text
  out.left = out.left - #text
end

local function put_term(out, term)
  local lua_type = type(term)
  local write = writers[lua_type == "table" and getmetatable(term) or lua_type]
  if not write then return put(out, "no term (" .. lua_type .. ")") end
  if out.left >= 0 then write(out, term) end
end

-- One character, of as many bytes as it has in UTF-8.
local function escape(character)
  local code, follow = byte(character), #character - 1
  if follow > 0 then code = code % 2 ^ (6 - follow) end
  for i = 2, #character do code = code * 64 + byte(character, i) % 64 end
  return NAMED[character] or ("\\x{%X}"):format(code)
end

-- Only what can be shown is looked at.
local function head_of(text) return text:sub(1, LONGEST + 1) end

local function quote(text, mark)
  return mark .. head_of(text):gsub("[\\" .. mark .. "]", "\\%0"):gsub("[%c\194-\244][\128-\191]*", escape) .. mark
end

local function text_of_atom(atom)
  local name = atom.name
  if name:find(PLAIN_ATOM) and not RESERVED[name] then return name end
  return quote(name, "'")
end

writers[metatables.Atom] = function(out, atom) put(out, text_of_atom(atom)) end

function writers.number(out, value) put(out, ("%.17g"):format(value + 0)) end -- -0 is 0

local function hexadecimal(character) return ("%02X"):format(byte(character)) end

writers[metatables.Big] = function(out, big)
  local highest = big.digits:sub(-LONGEST):reverse():gsub(".", hexadecimal):gsub("^0", "")
  put(out, (big.sign == 1 and "-16#" or "16#") .. highest)
end

writers[metatables.Float] = function(out, float)
  local text = ("%.15g"):format(float.value)
  if tonumber(text) ~= float.value then text = ("%.17g"):format(float.value) end
  if not text:find(".", 1, true) then text = text:gsub("^-?%d+", "%0.0") end
  put(out, text)
end

local function put_bytes(out, bytes, last)
  put(out, "<<")
  for i = 1, math.min(#bytes, LONGEST) do put(out, (i > 1 and "," or "") .. byte(bytes, i)) end
  if last then
    out[#out] = out[#out]:gsub("%d+", function(value) return value / 2 ^ (8 - last) .. ":" .. last end)
  end
  put(out, ">>")
end

function writers.string(out, bytes)
  if bytes == "" or head_of(bytes):find("[^\32-\126\t\r\n]") then return put_bytes(out, bytes) end
  put(out, "<<" .. quote(bytes, '"') .. ">>")
end

writers[metatables.Bits] = function(out, bits) put_bytes(out, bits.bytes, bits.last) end

local function put_elements(out, elements)
  for i = 1, elements.n do
    if out.left < 0 then return end
    if i > 1 then put(out, ",") end
    put_term(out, elements[i])
  end
end

writers[metatables.Tuple] = function(out, tuple)
  put(out, "{")
  put_elements(out, tuple)
  put(out, "}")
end

local function text_of_list(list)
  if list.n == 0 or list.tail ~= nil then return nil end
  local characters = {}
  for i = 1, math.min(list.n, LONGEST + 1) do
    local value = list[i]
    local is_printable = type(value) == "number" and value % 1 == 0
      and (value >= 32 and value <= 126 or value == 9 or value == 10 or value == 13)
    if not is_printable then return nil end
    characters[i] = string.char(value)
  end
  return table.concat(characters)
end

writers[metatables.List] = function(out, list)
  local text = text_of_list(list)
  if text then return put(out, quote(text, '"')) end
  put(out, "[")
  put_elements(out, list)
  if list.tail ~= nil then
    put(out, "|")
    put_term(out, list.tail)
  end
  put(out, "]")
end

writers[metatables.Map] = function(out, map)
  put(out, "#{")
  for i = 1, map.n do
    if out.left < 0 then return end
    if i > 1 then put(out, ",") end
    put_term(out, map[i][1])
    put(out, " => ")
    put_term(out, map[i][2])
  end
  put(out, "}")
end

writers[metatables.Pid] = function(out, pid)
  put(out, ("#Pid<%s.%d.%d>"):format(text_of_atom(pid.node), pid.id, pid.serial))
end

writers[metatables.Reference] = function(out, reference)
  put(out, ("#Ref<%s.%s>"):format(text_of_atom(reference.node), table.concat(reference.ids, ".")))
end

writers[metatables.Port] = function(out, port)
  local id = port.id:gsub(".", hexadecimal):gsub("^0+(.)", "%1")
  put(out, ("#Port<%s.16#%s>"):format(text_of_atom(port.node), id))
end

writers[metatables.Export] = function(out, export)
  put(out, ("fun %s:%s/%d"):format(text_of_atom(export.module), text_of_atom(export.name), export.arity))
end

writers[metatables.Fun] = function(out, fun) put(out, ("#Fun<%s/%d>"):format(text_of_atom(fun.module), fun.arity)) end

---@param term peerage.erlang.Term
---@return string text
function M.term(term)
  local out = { left = LONGEST }
  put_term(out, term)
  local text = table.concat(out)
  return #text > LONGEST and text:sub(1, LONGEST - #ELLIPSIS) .. ELLIPSIS or text
end

return M
