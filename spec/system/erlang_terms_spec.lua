-- SPDX-License-Identifier: MIT
-- Terms of a real Erlang, there and back.
local Folder = require("support.folder")
local etf = require("peerage.erlang.etf")
local fs = require("engine.fs")
local process = require("engine.process")

local SEED, COUNT = 20250607, 1000
local PATIENCE = 60 -- seconds for Erlang to start and answer

-- make FILE SEED COUNT: writes Len:32 and the bytes of random terms, of the longest string and each kind before any at random.
-- judge FILE ANSWERS: for each line, hexadecimal bytes and the text of the same term or "-", its own bytes of it.
local PROGRAM = [==[
#!/usr/bin/env escript
-mode(compile).

main(["make", File, Seed, Count]) ->
  rand:seed(exsss, list_to_integer(Seed)),
  Kinds = [lists:duplicate(N, 7) || N <- [65535, 65536]] ++ [kind(K, 3) || K <- lists:seq(1, 22)],
  Terms = Kinds ++ [term(5) || _ <- lists:seq(1, list_to_integer(Count) - length(Kinds))],
  ok = file:write_file(File, [frame(T) || T <- Terms]);
main(["judge", File, Answers]) ->
  {ok, Lines} = file:read_file(File),
  ok = file:write_file(Answers, [judge(L) || L <- binary:split(Lines, <<"\n">>, [global, trim])]).

frame(Term) ->
  <<131, Bytes/binary>> = term_to_binary(Term, [{minor_version, 2}]),
  [<<(byte_size(Bytes)):32>>, Bytes].

judge(Line) ->
  [Hex, Text] = binary:split(Line, <<"\t">>),
  Term = binary_to_term(<<131, (binary:decode_hex(Hex))/binary>>),
  case Text =:= <<"-">> orelse Term =:= value(binary_to_list(Text)) of
    true -> frame(Term);
    false -> frame({differs, Text, Term})
  end.

value(Text) ->
  {ok, Tokens, _} = erl_scan:string(Text ++ "."),
  {ok, Exprs} = erl_parse:parse_exprs(Tokens),
  {value, Value, _} = erl_eval:exprs(Exprs, []),
  Value.

term(Depth) -> kind(rand:uniform(22), Depth).

some(Most, F) -> [F() || _ <- lists:seq(1, rand:uniform(Most + 1) - 1)].
pick(List) -> lists:nth(rand:uniform(length(List)), List).
number(Bits) -> rand:uniform(1 bsl Bits) - 1.
bytes(Most) -> list_to_binary(some(Most, fun() -> number(8) end)).
sign() -> pick([1, -1]).
leaf() -> kind(rand:uniform(16), 0).
inner(Depth) when Depth > 0 -> term(Depth - 1);
inner(_) -> leaf().

character() -> pick([number(7), $a + rand:uniform(26) - 1, 16#C0 + number(5), 16#4E00 + number(12), 16#1F600 + number(6)]).
node_name() -> pick([node(), 'a@b', 'other@192.0.2.1', list_to_atom([16#E9, $@, $h])]).
atom_bytes(Atom) -> <<131, Bytes/binary>> = term_to_binary(Atom, [{minor_version, 2}]), Bytes.
remote(Head, Tail) -> binary_to_term(<<131, Head/binary, (atom_bytes(node_name()))/binary, Tail/binary>>).

float() ->
  try <<F:64/float>> = <<(number(64)):64>>, F catch error:_ -> float() end.

kind(1, _) -> list_to_atom(some(255, fun character/0));
kind(2, _) -> pick(['', ok, true, undefined, 'two words', list_to_atom(lists:duplicate(255, 16#1F600))]);
kind(3, _) -> number(8);
kind(4, _) -> sign() * number(rand:uniform(70));
kind(5, _) -> sign() * (1 bsl pick([8, 27, 28, 31, 32, 52, 53, 54, 59, 60, 63, 64, 2040, 2048, 5000]) + pick([-1, 0, 1]));
kind(6, _) -> float();
kind(7, _) -> pick([0.0, -0.0, 1.0, 5.0e-324, -2.2250738585072009e-308, 2.2250738585072014e-308, 1.7976931348623157e308]);
kind(8, _) -> bytes(50);
kind(9, _) -> <<(bytes(20))/binary, (number(7)):(rand:uniform(7))>>;
kind(10, _) -> some(50, fun() -> number(8) end);
kind(11, _) -> pick([self(), remote(<<88>>, <<(number(32)):32, (number(32)):32, (number(32)):32>>)]);
kind(12, _) ->
  Ids = some(4, fun() -> <<(number(18)):32>> end),
  Tail = iolist_to_binary([<<(number(32)):32, (number(18)):32>> | Ids]),
  pick([make_ref(), remote(<<90, (length(Ids) + 1):16>>, Tail)]);
kind(13, _) -> pick([list_to_port("#Port<0.5>"), remote(<<120>>, <<(number(pick([20, 28, 29, 64]))):64, (number(32)):32>>)]);
kind(14, _) -> pick([fun lists:map/2, fun erlang:'+'/2, fun no_such:'Fun'/255]);
kind(15, _) -> [];
kind(16, _) -> pick([{}, #{}, <<>>]);
kind(17, Depth) -> some(8, fun() -> inner(Depth) end);
kind(18, Depth) -> [inner(Depth) | inner(Depth)];
kind(19, Depth) -> list_to_tuple(some(8, fun() -> inner(Depth) end));
kind(20, Depth) -> maps:from_list(some(8, fun() -> {inner(Depth), inner(Depth)} end));
kind(21, Depth) ->
  Held = inner(Depth), More = inner(Depth),
  pick([fun() -> {Held, More} end, fun(A, B) -> {A, B, Held} end, fun(_) -> none end]);
kind(22, _) ->
  pick([list_to_tuple(lists:seq(1, pick([255, 256]))), maps:from_list([{number(30), leaf()} || _ <- lists:seq(1, 60)])]).
]==]

local function u32(data, at)
  local a, b, c, d = data:byte(at, at + 3)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

local function frames(data)
  local out, at = {}, 1
  while at <= #data do
    local size = u32(data, at)
    out[#out + 1] = data:sub(at + 4, at + 3 + size)
    at = at + 4 + size
  end
  return out
end

local function hexadecimal(data)
  return (data:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

-- Random terms, made here.

local random = math.random

local function repeated(most, fn, ...)
  local out = {}
  for i = 1, random(0, most) do out[i] = fn(...) end
  return out
end

local function some_bytes(most) return string.char(unpack(repeated(most, random, 0, 255))) end

local function some_u32() return random(0, 2 ^ 32 - 1) end

local function sign() return random(2) == 1 and 1 or -1 end

local CHARACTERS = { "a", "Z", "_", "@", "'", "\\", "\n", "\127", " ", "\195\169", "\228\184\173", "\240\159\152\128" }

local function some_atom()
  return etf.atom(table.concat(repeated(12, function() return CHARACTERS[random(#CHARACTERS)] end)))
end

-- What Erlang can read as text.
local LEAVES = {
  some_atom,
  function() return random(0, 255) end,
  function() return sign() * math.floor(2 ^ random(0, 52) * (1 + random())) end,
  function() return etf.big(random(0, 1), some_bytes(24)) end,
  function() return etf.float(sign() * math.ldexp(random(), random(-1080, 1024))) end,
  function() return some_bytes(20) end,
  function() return etf.bits(some_bytes(9) .. "x", random(8)) end,
  function() return etf.list(repeated(20, random, 0, 255)) end,
  function() return etf.list(repeated(20, random, 32, 126)) end,
  function() return etf.export(some_atom(), some_atom(), random(0, 255)) end,
}

-- What it can read as bytes only.
local IDENTIFIERS = {
  function() return etf.pid(etf.atom("a@b"), some_u32(), some_u32(), some_u32()) end,
  function() return etf.port(etf.atom("a@b"), ("\0"):rep(4) .. "\1abc", some_u32()) end,
  function() return etf.port(etf.atom("a@b"), "abcdefgh", some_u32()) end,
  function() return etf.reference(etf.atom("a@b"), some_u32(), { 1, unpack(repeated(4, random, 0, 2 ^ 18 - 1)) }) end,
}

local some_term

local function some_leaf(leaves) return leaves[random(#leaves)]() end

local HOLDERS = {
  function(...) return etf.tuple(unpack(repeated(5, some_term, ...))) end,
  function(...) return etf.list(repeated(5, some_term, ...)) end,
  function(...) return etf.list(repeated(5, some_term, ...), some_term(...)) end,
  function(...)
    local pairs_of = repeated(5, function(...) return { some_term(...), some_term(...) } end, ...)
    for i, pair in ipairs(pairs_of) do pair[1] = etf.tuple(i, pair[1]) end
    return etf.map(pairs_of)
  end,
}

function some_term(depth, leaves)
  if depth == 0 or random(3) == 1 then return some_leaf(leaves) end
  return HOLDERS[random(#HOLDERS)](depth - 1, leaves)
end

describe("the terms of a real Erlang", function()
  local folder, is_missing

  setup(function()
    math.randomseed(SEED)
    local _, _, code = process.run({ "escript" })
    is_missing = code == "ENOENT"
    folder = Folder.new()
    folder:write("terms.escript", PROGRAM:gsub("^\n", "") .. "")
  end)

  teardown(function() folder:remove() end)

  local function it_shows(behaviour, fn)
    it(behaviour, function()
      if is_missing then return pending("Erlang is not installed") end
      fn()
    end)
  end

  local function erlang(...)
    local result = assert(process.run({ "escript", "terms.escript", cwd = folder.path, timeout = PATIENCE, ... }))
    assert(result.code == 0, result.stdout .. result.stderr)
  end

  -- Erlang's own bytes for each term of `terms`, having seen that it is the one of its text, unless that is false.
  local function judged(terms, texts)
    local lines = {}
    for i, term in ipairs(terms) do
      lines[i] = hexadecimal(etf.encode(term)) .. "\t" .. (texts and texts[i] or "-") .. "\n"
    end
    folder:write("lines", table.concat(lines))
    erlang("judge", "lines", "answers")
    local answers = frames(assert(fs.read(folder.path .. "/answers")))
    assert.equal(#terms, #answers)
    return answers
  end

  it_shows("are read and written again byte for byte", function()
    erlang("make", "terms", tostring(SEED), tostring(COUNT))
    local kinds, all = {}, frames(assert(fs.read(folder.path .. "/terms")))
    assert.equal(COUNT, #all)
    for _, data in ipairs(all) do
      local term, next_at = etf.decode(data)
      assert(term ~= nil, next_at)
      assert.equal(#data + 1, next_at)
      assert(etf.encode(term) == data, etf.describe(term))
      kinds[etf.kind(term)] = true
    end
    for _, kind in ipairs({
      "atom", "integer", "float", "binary", "bits", "tuple", "list", "map", "pid", "reference", "port", "export", "fun",
    }) do
      assert(kinds[kind], "no " .. kind .. " among the terms")
    end
  end)

  it_shows("are what we write, of the value that their description says", function()
    local terms, texts = {}, {}
    while #terms < COUNT / 2 do
      local term = some_term(3, LEAVES)
      local text = etf.describe(term)
      if not text:find("%.%.%.$") then terms[#terms + 1], texts[#texts + 1] = term, text end
    end
    for i, answer in ipairs(judged(terms, texts)) do
      local has_map = texts[i]:find("#{", 1, true)
      assert(has_map or answer == etf.encode(terms[i]), texts[i] .. " became " .. etf.describe(assert(etf.decode(answer))))
      assert(etf.equal(terms[i], assert(etf.decode(answer))), texts[i])
    end
  end)

  it_shows("are what we write for pids, ports and references", function()
    local terms = {}
    for i = 1, COUNT / 5 do terms[i] = some_leaf(IDENTIFIERS) end
    for i, answer in ipairs(judged(terms)) do assert(answer == etf.encode(terms[i]), etf.describe(terms[i])) end
  end)
end)
