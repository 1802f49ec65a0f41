-- SPDX-License-Identifier: MIT
--- The provider is the file that BENCH_PROVIDER names; it says which version it is.
return {
  name = "bench@127.0.0.1", connect = "none", sync_offset = 0, interval = 10, log_results = false, log_level = "warn",
  via = os.getenv("BENCH_PROVIDER"),
}
