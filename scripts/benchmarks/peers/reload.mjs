// SPDX-License-Identifier: MIT
// A provider that changes while Node.js runs, polled when its file was saved: `node reload.mjs FILE`.
import fs from "node:fs";
import path from "node:path";

const file = path.resolve(process.argv[2]);
let version = 0;

async function load() {
  const provider = await import(`${file}?v=${++version}`);
  provider.poll();
}

await load();
fs.watch(path.dirname(file), (event, name) => {
  if (name === path.basename(file)) load();
});
