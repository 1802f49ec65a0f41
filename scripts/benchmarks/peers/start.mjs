// SPDX-License-Identifier: MIT
// Polls every ten seconds, at once for the first time, and says so.
function poll() {
  console.log("polled");
}

setInterval(poll, 10000);
poll();
