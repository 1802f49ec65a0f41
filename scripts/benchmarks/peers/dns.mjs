// SPDX-License-Identifier: MIT
// Asks for the addresses of name0.DOMAIN to name999.DOMAIN in turn: `node dns.mjs DOMAIN COUNT IN_FLIGHT ADDRESS:PORT…`,
// IN_FLIGHT at each server.
import { promises } from "node:dns";

const [domain, count, inFlight, ...servers] = process.argv.slice(2);
let asked = 0;
let right = 0;

async function ask(resolver) {
  while (asked < count) {
    const addresses = await resolver.resolve4(`name${asked++ % 1000}.${domain}`);
    if (addresses.length === 1) right++;
  }
}

const askers = servers.flatMap((server) => {
  const resolver = new promises.Resolver();
  resolver.setServers([server]);
  return Array.from({ length: Number(inFlight) }, () => ask(resolver));
});
await Promise.all(askers);
process.exitCode = right === Number(count) ? 0 : 1;
