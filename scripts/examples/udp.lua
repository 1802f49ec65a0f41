-- SPDX-License-Identifier: MIT
-- Engines on one network find each other by multicast: start this in two terminals, or on two hosts.
-- Without a name the engine calls itself peerage-<random>@<address>.
return {
  via = "udp",
  interval = 2,
  announce = { 1, 2 },
  expire = 8,
  connect = "none",
}
