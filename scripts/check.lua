-- SPDX-License-Identifier: MIT
--- Holds lua/peerage/meta/ and spec/engine/ against what the engine really exports: `peerage-lua run scripts/check.lua engine/*.lua`.
--- Every function and method has a stub and is named in its module's spec, and no stub is for what is not there.
local root = arg[0]:match("^(.*)/scripts/[^/]*$") or "."

local gaps, count = {}, 0
local sources = "" -- of all Lua files in engine/: the arguments

local function say(...) gaps[#gaps + 1] = (...):format(select(2, ...)) end

local function read(path)
  local file = io.open(root .. "/" .. path)
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

local function function_names(exports)
  local names = {}
  for name, value in pairs(exports) do
    if type(value) == "function" and not name:find("^__") then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

-- The modules by short name; "engine.x.core" is the C half of engine.x. One without a C half, or with one that is loaded when
-- it is first asked for, is known by its stub.
local function list_modules()
  local seen, names = {}, {}
  local function add(name)
    if seen[name] then return end
    seen[name] = true
    names[#names + 1] = name
  end
  for key in pairs(package.preload) do
    local name = key:match("^engine%.([%w_]+)")
    if name then add(name) end
  end
  for _, path in ipairs(arg) do
    local name = path:match("^engine/([%w_]+)%.lua$")
    if name and read("lua/peerage/meta/" .. name .. ".lua") then add(name) end
  end
  table.sort(names)
  return names
end

-- The classes of userdata by name: the core registers their metatables, each with its name as __metatable.
local function list_classes()
  local classes = {}
  for name, metatable in pairs(debug.getregistry()) do
    if type(metatable) == "table" and rawget(metatable, "__metatable") == name then
      classes[name] = rawget(metatable, "__index")
    end
  end
  return classes
end

-- What a stub declares: for each class the names of its functions, those of its parent too. `exports` are those of the
-- table that the stub returns; its class is none that a userdata can have.
local function parse_stub(text)
  local returned = text:match("\nreturn ([%w_]+)%s*$")
  local classes, tables, members, class = {}, {}, nil, nil
  for line in text:gmatch("[^\n]+") do
    local name, parent = line:match("^%-%-%-@class ([%w_.]+):? ?([%w_.]*)")
    if name then
      class, members = name, setmetatable({}, { __index = function(_, key) return (classes[parent] or {})[key] end })
      classes[class] = members
    end
    local field = line:match("^%-%-%-@field ([%w_]+)%??%s+fun%(")
    if field and members then members[field] = true end
    local opened = line:match("^local ([%w_]+) = {}")
    if opened then tables[opened] = { class = class, members = members or {} } end
    local owner, member = line:match("^function ([%w_]+)[.:]([%w_]+)%(")
    if not owner then owner, member = line:match("^([%w_]+)%.([%w_]+) = ") end
    if owner and tables[owner] then tables[owner].members[member] = true end
  end
  local module = tables[returned] or { members = {} }
  if module.class then classes[module.class] = nil end
  return { exports = module.members, classes = classes }
end

-- The public methods that the Lua half of a module defines: those with a doc comment.
local function list_methods(text)
  local methods = {}
  for name in text:gmatch("\n%-%-%-[^\n]*\nfunction [%w_.]+:([%w_]+)%(") do methods[name] = function() end end
  return methods
end

-- The code of a spec, without comments: a name there is a name used.
local function is_named(spec, name) return spec:find("[.:\"]" .. name .. "%f[^%w_]") ~= nil end

local function load_module(name)
  local ok, exports = pcall(require, "engine." .. name)
  if not ok then say("engine.%s: %s", name, exports:match("[^\n]*")) end
  local module = { name = name, exports = exports }
  local stub, spec = read("lua/peerage/meta/" .. name .. ".lua"), read("spec/engine/" .. name .. "_spec.lua")
  if not stub then say("lua/peerage/meta/%s.lua: missing: engine.%s has no stub", name, name) end
  if not spec then say("spec/engine/%s_spec.lua: missing: engine.%s has no spec", name, name) end
  if stub and not stub:find("---@meta engine." .. name .. "\n", 1, true) then
    say("lua/peerage/meta/%s.lua: expected a line ---@meta engine.%s", name, name)
  end
  module.stub = parse_stub(stub or "")
  module.has_stub, module.has_spec = stub ~= nil, spec ~= nil
  module.spec = (spec or ""):gsub("%-%-[^\n]*", "")
  return module
end

local function check_members(module, names, declared, what)
  local is_there = {}
  for _, name in ipairs(names) do
    count = count + 1
    is_there[name] = true
    if module.has_stub and not declared[name] then say("lua/peerage/meta/%s.lua: no stub for %s%s", module.name, what, name) end
    if module.has_spec and not is_named(module.spec, name) then
      say("spec/engine/%s_spec.lua: no spec names %s%s", module.name, what, name)
    end
  end
  for name in pairs(declared) do
    if not is_there[name] and not sources:find("\nfunction [%w_.]+:" .. name .. "%(") then
      say("lua/peerage/meta/%s.lua: a stub for %s%s, which is not there", module.name, what, name)
    end
  end
end

-- A class is that of the stub class whose name ends like it, dots, spaces and case aside; the shortest, if several do.
local function find_class(modules, class)
  local wanted, best, owner = class:lower():gsub("[^%w]", ""), nil, nil
  for _, module in ipairs(modules) do
    for name in pairs(module.stub.classes) do
      local plain = name:lower():gsub("[^%w]", "")
      if name:find(".", 1, true) and plain:sub(-#wanted) == wanted and not (best and #best <= #name) then
        best, owner = name, module
      end
    end
  end
  return owner, best
end

-- Methods of Lua: in a stub of whatever class.
local function check_methods(module)
  local methods, declared = list_methods(read("engine/" .. module.name .. ".lua") or ""), {}
  for _, class in pairs(module.stub.classes) do
    for name in pairs(class) do declared[name] = methods[name] and true end
  end
  check_members(module, function_names(methods), declared, module.name .. " …:")
end

for _, path in ipairs(arg) do sources = sources .. assert(read(path), path) end
local modules = {}
for _, name in ipairs(list_modules()) do modules[#modules + 1] = load_module(name) end
for _, module in ipairs(modules) do
  if type(module.exports) == "table" then
    check_members(module, function_names(module.exports), module.stub.exports, module.name .. ".")
  end
end
for _, module in ipairs(modules) do check_methods(module) end
for class, methods in pairs(list_classes()) do
  local module, name = find_class(modules, class)
  if module then
    check_members(module, function_names(methods), module.stub.classes[name], class .. ":")
  else
    say("lua/peerage/meta/: no ---@class of a stub ends in \"%s\"", class)
  end
end

table.sort(gaps)
for _, gap in ipairs(gaps) do print(gap) end
print(("%d functions and methods in %d modules, %d gaps"):format(count, #modules, #gaps))
return #gaps == 0 and 0 or 1
