-- SPDX-License-Identifier: MIT
--- The udp provider as shipped.
return {
  name = "bench@127.0.0.1", connect = "none", sync_offset = tonumber(os.getenv("BENCH_SYNC_OFFSET")),
  log_results = false, log_level = "warn",
  via = {
    "udp", interface = "lo", port = tonumber(os.getenv("BENCH_PORT")), max_nodes = tonumber(os.getenv("BENCH_ROOM")),
    secret = os.getenv("BENCH_SECRET"),
  },
}
