-- SPDX-License-Identifier: MIT
-- Each line that a program prints is a node: here the hosts of a group of Ansible's inventory, which is beside this file.
return {
  via = {
    "exec",
    command = { "sh", "-c", "ansible-inventory -i hosts.yml --list | jq -r '.web.hosts[]'" },
    app_name = env("APP_NAME", "myapp"),
  },
  connect = "none",
}
