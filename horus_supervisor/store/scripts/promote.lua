#!lua flags=allow-oom
-- promote: scheduled -> ready, what is due by Redis's clock, the earliest of a queue first.
-- KEYS  1 namespace
-- ARGV  1 at most so many
-- REPLY a count; the most that was asked for: call again
-- include: base
-- include: push
local now = now_ms()
local left = ARGV[1] + 0
for _, queue in ipairs(call('HKEYS', ns .. 'enqueued')) do
  local scheduled = ns .. 'scheduled:' .. queue
  local due = left > 0 and call('ZRANGEBYSCORE', scheduled, '-inf', whole(now), 'LIMIT', 0, left) or {}
  for _, id in ipairs(due) do
    -- writes
    call('ZREM', scheduled, id)
    push('LPUSH', queue, id)
  end
  left = left - #due
end
return {ARGV[1] - left}
