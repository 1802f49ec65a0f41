-- SPDX-License-Identifier: MIT
-- Beside an Elixir release, with the same RELEASE_NODE (myapp@10.0.0.7) and RELEASE_COOKIE in its environment: the release
-- connects to those whose sidecars have the same CLUSTER_SECRET, of at least 16 bytes.
return {
  name = env("RELEASE_NODE"),
  via = "udp",
  secret = env("CLUSTER_SECRET"),
  interval = 2,
  connect = { "sidecar", cookie = env("RELEASE_COOKIE") },
}
