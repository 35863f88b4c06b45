-- base: names and time. Every key begins with KEYS[1], the namespace in braces: one hash tag,
-- so that a Redis Cluster keeps a namespace on one shard and each script stays atomic.
local ns = KEYS[1]
local call = redis.call

local function now_ms()
  local t = call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- whole: a number as digits; Lua would write 1764028149000 as 1.764028149e+12
local function whole(n) return string.format('%.0f', n) end
