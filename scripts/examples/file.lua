-- SPDX-License-Identifier: MIT
-- The targets that Prometheus' file_sd reads are nodes, too. Change the files while this runs.
return {
  via = { "file", path = "targets/*.json", format = "prometheus", app_name = env("APP_NAME", "myapp") },
  connect = "none",
}
