// SPDX-License-Identifier: MIT
// The poll of a list of nodes in Node.js: who is new, who is gone: `node poll.mjs NODES POLLS CHANGED`.
const [nodes, polls, changed] = process.argv.slice(2).map(Number);
const known = new Map();

function list(first) {
  return Array.from({ length: nodes }, (_, i) => {
    const id = first + i + 1;
    return { name: `app${id}@10.${id >> 16}.${(id >> 8) & 255}.${id & 255}`, port: 9000 };
  });
}

for (let poll = 0; poll < polls; poll++) {
  const found = list(poll * changed);
  const names = new Set(found.map((node) => node.name));
  for (const name of known.keys()) if (!names.has(name)) known.delete(name);
  for (const node of found) if (known.get(node.name)?.port !== node.port) known.set(node.name, node);
}
process.exit(known.size === nodes ? 0 : 1);
