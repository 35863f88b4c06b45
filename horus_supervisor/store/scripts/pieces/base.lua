-- base: names, time, and how a job begins. Every key begins with KEYS[1], the namespace in braces: one hash tag,
-- so that a Redis Cluster keeps a namespace on one shard and each script stays atomic.
local ns = KEYS[1]
local call = redis.call

-- HEAD: a packed job (see `move`) up to its queue and name, as a pattern
local HEAD = '^%d* %d* %d* %d* %d* %d+ %d* %d* %d+ '

-- now_digits: milliseconds since 1970, for less than by `whole`
local function now_digits()
  local t = call('TIME')
  return t[1] .. string.sub('00000' .. t[2], -6, -4)
end

local function now_ms() return now_digits() + 0 end

-- whole: a number as digits; Lua would write 1764028149000 as 1.764028149e+12
local function whole(n) return string.format('%.0f', n) end
