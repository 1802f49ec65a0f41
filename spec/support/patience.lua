-- SPDX-License-Identifier: MIT
--- Seconds that a spec waits for what must come before it fails: many times what it takes, for a host may be loaded.
return 30
