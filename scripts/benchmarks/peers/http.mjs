// SPDX-License-Identifier: MIT
// Asks for one URL again and again, over connections that stay open: `node http.mjs URL COUNT IN_FLIGHT`.
import http from "node:http";
import { once } from "node:events";

const [url, count, inFlight] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true });
let asked = 0;
let right = 0;

async function ask() {
  while (asked < count) {
    asked++;
    const [answer] = await once(http.get(url, { agent }), "response");
    let body = "";
    for await (const chunk of answer) body += chunk;
    if (answer.statusCode === 200 && body.length > 0) right++;
  }
}

await Promise.all(Array.from({ length: Number(inFlight) }, ask));
agent.destroy();
process.exitCode = right === Number(count) ? 0 : 1;
