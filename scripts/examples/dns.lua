-- SPDX-License-Identifier: MIT
-- Each address of a DNS name is a node. On Kubernetes DNS_NAME is a headless service's,
-- such as myapp.default.svc.cluster.local. with its dot at the end.
return {
  via = "dns",
  dns_name = env("DNS_NAME", "localhost"),
  app_name = env("APP_NAME", "myapp"),
  connect = "none",
}
