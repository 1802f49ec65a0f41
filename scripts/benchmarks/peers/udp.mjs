// SPDX-License-Identifier: MIT
// A member of a multicast group in Node.js that knows the names it hears: `node udp.mjs GROUP PORT`.
import dgram from "node:dgram";

const [group, port] = process.argv.slice(2);
const known = new Map();
const socket = dgram.createSocket({ type: "udp4", reuseAddr: true });
socket.on("message", (data) => {
  const text = data.toString("latin1");
  if (text.startsWith("Peer:")) known.set(text.slice(5), Date.now());
});
socket.bind(Number(port), group, () => socket.addMembership(group, "127.0.0.1"));
