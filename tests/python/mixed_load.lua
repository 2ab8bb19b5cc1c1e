-- SPDX-License-Identifier: Apache-2.0
-- For wrk: the steady endpoint most of the time, and each of the others.
local paths = { "/steady", "/steady", "/steady", "/large", "/steady", "/small", "/steady", "/orders" }
local n = 0
request = function()
  n = n % #paths + 1
  return wrk.format("GET", paths[n])
end
