-- SPDX-License-Identifier: MIT
-- The pods that Kubernetes' API lists are nodes, once they have an address. The service account of this pod needs the right
-- to list pods in its namespace, which is NAMESPACE.
local ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/"

return {
  via = {
    "http",
    url = "https://kubernetes.default.svc/api/v1/namespaces/" .. env("NAMESPACE", "default") .. "/pods?labelSelector=app%3Dmyapp",
    select = "items[].status.podIP",
    app_name = env("APP_NAME", "myapp"),
    bearer_file = ACCOUNT .. "token",
    ca_file = ACCOUNT .. "ca.crt",
  },
  connect = "none",
}
