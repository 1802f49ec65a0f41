-- SPDX-License-Identifier: MIT
-- Two clusters in one engine, each with a provider of its own; what stands at the top is the default of both.
return {
  interval = 5,
  connect = "none",
  clusters = {
    web = { via = { "dns", dns_name = env("WEB_DNS_NAME", "localhost"), app_name = "web" } },
    cache = { via = { "udp", multicast_addr = "230.1.1.2" } },
  },
}
