-- A pid's, port's or reference's creation: of one byte in the forms before OTP 23.
local function pid_reader(creation_of)
  return function(input, at)
    local node, id, serial, creation
    node, at = read_atom(input, at, "the node of a pid")
    id, at = u32(input, at, "a pid")
    serial, at = u32(input, at, "a pid")
    creation, at = creation_of(input, at, "a pid")
    return terms.pid(node, id, serial, creation), at
  end
end

readers[88], readers[103] = pid_reader(u32), pid_reader(u8)

local function port_reader(size, creation_of)
  return function(input, at)
    local node, creation
    node, at = read_atom(input, at, "the node of a port")
    need(input, at, size, "the id of a port, %d bytes", size)
    local id = ("\0"):rep(8 - size) .. sub(input.data, at, at + size - 1)
    creation, at = creation_of(input, at + size, "a port")
    return terms.port(node, id, creation), at
  end
end

readers[120], readers[89], readers[102] = port_reader(8, u32), port_reader(4, u32), port_reader(4, u8)

local function reference_reader(creation_of)
  return function(input, at)
    local count, first = u16(input, at, "a reference")
    if count < 1 or count > 5 then fail(input, at, "a reference of %d ids, expected 1 to 5", count) end
    local node, creation
    node, at = read_atom(input, first, "the node of a reference")
    creation, at = creation_of(input, at, "a reference")
    local ids = {}
    for i = 1, count do ids[i], at = u32(input, at, "a reference") end
    return terms.reference(node, creation, ids), at
  end
end

readers[90], readers[114] = reference_reader(u32), reference_reader(u8)

readers[101] = function(input, at)
  local node, id, creation
  node, at = read_atom(input, at, "the node of a reference")
  id, at = u32(input, at, "a reference")
  creation, at = u8(input, at, "a reference")
  return terms.reference(node, creation, { id }), at
end

readers[113] = function(input, at)
  local module, name, tag, arity
  module, at = read_atom(input, at, "the module of a fun")
  name, at = read_atom(input, at, "the name of a fun")
  tag, at = u8(input, at, "a fun")
  if tag ~= 97 then fail(input, at - 1, "the arity of a fun begins with %d, expected 97", tag) end
  arity, at = u8(input, at, "a fun")
  return terms.export(module, name, arity), at
end

-- Size:32 (of itself on), Arity:8, Uniq:128, Index:32, NumFree:32, Module, OldIndex, OldUniq, Pid, the free variables.
-- The terms in it are read to know that they are some; kept are the bytes.
readers[112] = function(input, at, depth)
  local size = u32(input, at, "a fun")
  need(input, at, size, "a fun of %d bytes", size)
  local arity = u8(input, at + 4, "a fun")
  local free, next_at = u32(input, at + 25, "a fun")
  need(input, next_at, free, "a fun of %d free variables", free)
  depth = inner(input, next_at, depth)
  local module
  module, next_at = read_atom(input, next_at, "the module of a fun")
  for _ = 1, 3 + free do
    local _, after = read_term(input, next_at, depth)
    next_at = after
  end
  if next_at ~= at + size then fail(input, at, "a fun of %d bytes, but its terms take %d", size, next_at - at) end
  return terms.opaque_fun(sub(input.data, at - 1, next_at - 1), module, arity), next_at
end

