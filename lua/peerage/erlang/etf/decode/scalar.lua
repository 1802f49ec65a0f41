local function read_small_integer(input, at) return u8(input, at, "an integer") end
readers[97] = read_small_integer

readers[98] = function(input, at)
  local value, next_at = u32(input, at, "an integer")
  return value < 2 ^ 31 and value or value - 2 ^ 32, next_at
end

local function read_big(input, at, size)
  need(input, at, size + 1, "an integer of %d bytes", size)
  local sign = byte(input.data, at) == 0 and 0 or 1
  return terms.big(sign, sub(input.data, at + 1, at + size)), at + size + 1
end

readers[110] = function(input, at)
  local size, next_at = u8(input, at, "an integer")
  return read_big(input, next_at, size)
end

readers[111] = function(input, at)
  local size, next_at = u32(input, at, "an integer")
  return read_big(input, next_at, size)
end

readers[70] = function(input, at)
  need(input, at, 8, "a float")
  local value = float64.decode(input.data, at) or fail(input, at, "a float that is not finite")
  return terms.float(value), at + 8
end

local function read_name(input, at, size, is_latin1)
  need(input, at, size, "an atom of %d bytes", size)
  local name = sub(input.data, at, at + size - 1)
  local atom, message = find_atom(is_latin1 and utf8.from_latin1(name) or name)
  return atom or fail(input, at, message), at + size
end

local function atom_reader(count, is_latin1)
  return function(input, at)
    local size, next_at = count(input, at, "an atom")
    return read_name(input, next_at, size, is_latin1)
  end
end

local atom_readers = {
  [100] = atom_reader(u16, true), [115] = atom_reader(u8, true), [118] = atom_reader(u16), [119] = atom_reader(u8),
}
for tag, read in pairs(atom_readers) do readers[tag] = read end

local function read_atom(input, at, what)
  local tag = u8(input, at, what)
  local read = atom_readers[tag] or fail(input, at, "%s begins with %d, expected an atom", what, tag)
  return read(input, at + 1)
end

readers[109] = function(input, at)
  local size, first = u32(input, at, "a binary")
  need(input, first, size, "a binary of %d bytes", size)
  return sub(input.data, first, first + size - 1), first + size
end

readers[77] = function(input, at)
  local size, bits_at = u32(input, at, "a bit string")
  local last, first = u8(input, bits_at, "a bit string")
  need(input, first, size, "a bit string of %d bytes", size)
  if size == 0 and last == 0 then return "", first end
  if size == 0 or last == 0 or last > 8 then
    fail(input, bits_at, "a bit string of %d bytes with %d bits in the last one", size, last)
  end
  return terms.bits(sub(input.data, first, first + size - 1), last), first + size
end

