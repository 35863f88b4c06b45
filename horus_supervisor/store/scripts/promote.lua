#!lua flags=allow-oom
-- promote: scheduled -> ready, what is due by Redis's clock, the earliest of a queue first.
-- KEYS  1 namespace
-- ARGV  1 at most so many
-- REPLY a count; the most that was asked for: call again, as many jobs or queues were looked at
-- include: base
-- include: push
local now = now_ms()
local left = ARGV[1] + 0
local queues = call('ZRANGEBYSCORE', ns .. 'due', '-inf', whole(now), 'LIMIT', 0, left)
local all = #queues < left
-- a queue at a time: what is written for one is nothing to the next
for _, queue in ipairs(queues) do
  local scheduled = ns .. 'scheduled:' .. queue
  local ids = call('ZRANGEBYSCORE', scheduled, '-inf', whole(now), 'LIMIT', 0, left)
  -- writes
  for _, id in ipairs(ids) do
    call('ZREM', scheduled, id)
    push('LPUSH', queue, id)
  end
  left = left - #ids
  local next_due = call('ZRANGE', scheduled, 0, 0, 'WITHSCORES')[2]
  if next_due then call('ZADD', ns .. 'due', next_due, queue) else call('ZREM', ns .. 'due', queue) end
end
return {all and ARGV[1] - left or ARGV[1] + 0}
