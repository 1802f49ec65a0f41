// SPDX-License-Identifier: MIT
// Looks localhost up every ten seconds; says when what it found has changed.
import { promises as dns } from "node:dns";

let nodes = "";

async function poll() {
  const addresses = await dns.lookup("localhost", { family: 4, all: true });
  const found = addresses.map(({ address }) => `app@${address}`).sort();
  if (found.join() !== nodes) console.log(`found ${found.length}`);
  nodes = found.join();
}

setInterval(poll, 10000);
await poll();
