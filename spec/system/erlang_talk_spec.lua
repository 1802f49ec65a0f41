-- SPDX-License-Identifier: MIT
--- What real Erlang nodes say to a node in ordinary life: it neither ends the link nor leaves anybody waiting.
local Erlang = require("support.erlang")
local Node = require("support.erlang_node")

describe("the talk of a real Erlang node", function()
  if not Erlang.is_there() then return pending("erl is not installed") end

  local node, erl

  local function start(is_hidden)
    local epmd_port = Erlang.free_port()
    node = assert(Node.start("a@127.0.0.1", { epmd = "auto", epmd_port = epmd_port, hidden = is_hidden }))
    erl = Erlang.start({ name = "c@127.0.0.1", cookie = "secret", epmd_port = epmd_port })
    assert.equal("pong", erl:eval("net_adm:ping('a@127.0.0.1')"))
  end

  -- US is our node, PID a process of it.
  local function eval(expression)
    local pid = ('(binary_to_term(<<131, 88, 119, 11, "a@127.0.0.1", 9:32, 0:32, %d:32>>))'):format(node.creation)
    return erl:eval((expression:gsub("PID", pid):gsub("US", "'a@127.0.0.1'")), 5)
  end

  after_each(function()
    if erl then erl:stop() end
    if node then node:close() end
    erl, node = nil, nil
  end)

  it("is answered at once where it asks for something", function()
    start(true)
    for _, each in ipairs({
      { "erpc:multicall([US], erlang, node, [])", "[{error,{erpc,notsup}}]" },
      { "rpc:multicall([US, node()], erlang, node, [])", "{[{badrpc,notsup},'c@127.0.0.1'],[]}" },
      { "rpc:multi_server_call([US], foo, hi)", "{[],['a@127.0.0.1']}" },
      { "gen_server:multi_call([US], nobody, hello)", "{[],['a@127.0.0.1']}" },
      { "gen_server:call({net_kernel, US}, hello)", "{error,notsup}" },
      { "element(1, element(2, (catch gen_server:call(PID, hello))))", "noproc" },
      -- as erl_call and others in C ask
      { "begin {rex, US} ! {self(), {call, erlang, node, [], user}}, receive {rex, R} -> R end end", "{badrpc,notsup}" },
      { "sys:get_status({net_kernel, US})", "{error,notsup}" },
      { "element(1, element(2, (catch sys:get_state({nobody, US}))))", "noproc" },
      { "begin process_flag(trap_exit, true), link(PID), receive {'EXIT', _, R} -> R end end", "noproc" },
      { "begin P = spawn_link(US, erlang, node, []), receive {'EXIT', P, R} -> R end end", "notsup" },
      { "begin spawn_request(US, erlang, node, [], [link, monitor]), receive {spawn_reply, _, error, R} -> R end end", "notsup" },
      { "begin M = monitor(process, PID, [{alias, demonitor}]), receive {'DOWN', M, _, _, R} -> R end end", "noproc" },
      { "global:set_lock({x, self()}, [node(), US], 1)", "true" },
      { "begin seq_trace:set_token(label, 1), R = net_adm:ping(US), seq_trace:set_token([]), R end", "pong" },
    }) do
      assert.are.equal(each[2], eval(each[1]), each[1])
    end
    assert.same({ "+c@127.0.0.1" }, node.events)
  end)

  it("is taken where it asks for nothing", function()
    start(true)
    for _, expression in ipairs({
      "erpc:cast(US, erlang, node, [])", "rpc:cast(US, erlang, node, [])", "rpc:abcast([US], foo, hi)",
      "rpc:eval_everywhere([US], erlang, node, [])", "exit(PID, kill)", "group_leader(PID, PID)", "unlink(PID)",
      "begin F = fun() -> {self(), make_ref()} end, PID ! {F, fun lists:map/2, hd(erlang:ports()), 1 bsl 999, <<1:3>>}, ok end",
      "begin PID ! binary:copy(<<1>>, 7000000), ok end", "begin {nobody, US} ! binary:copy(<<1>>, 7000000), ok end",
      "exit(PID, lists:foldl(fun(_, A) -> {A} end, x, lists:seq(1, 500)))",
      "begin seq_trace:set_token(label, 1), exit(PID, x), PID ! x, {nobody, US} ! x, seq_trace:set_token([]), ok end",
    }) do
      eval(expression)
      assert.are.equal("pong", eval("net_adm:ping(US)"), expression)
    end
    assert.same({ "+c@127.0.0.1" }, node.events)
  end)

  it("is answered where global wants to be in step with a visible node", function()
    start(false)
    assert.are.equal("ok", eval("global:sync()"))
    assert.are.equal("yes", eval("global:register_name(me, self())"))
    assert.are.equal("['a@127.0.0.1']", eval("nodes()"))
    assert.same({ "+c@127.0.0.1" }, node.events)
  end)
end)
