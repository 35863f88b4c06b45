#!lua flags=allow-oom
-- unhold: scheduled -> ready: a class that was held back may run again, its jobs in the order of their parking.
-- KEYS  1 namespace
-- ARGV  1 job name 2 code: only where it is held for another one, or '' 3 at most so many jobs
-- REPLY free: it was not held | held: for this very code | ok, how many jobs, 1 where there are more: call again
-- include: base
-- include: push
-- include: hold
local name, parked = ARGV[1], ns .. 'parked:' .. ARGV[1]
local code = call('HGET', ns .. 'held', name)
if not code and call('EXISTS', parked) == 0 then return {'free'} end
if code and ARGV[2] ~= '' and code == ARGV[2] then return {'held'} end
-- writes
call('HDEL', ns .. 'held', name)
call('HDEL', ns .. 'crashing', name)
local count = 0
for _ = 1, ARGV[3] do
  local id = call('LPOP', parked)
  if not id then break end
  local job = call('HGET', ns .. 'jobs', id) or ''
  local queue = string.match(job, HEAD .. '(%S+)')
  if queue and is_parked(id, queue) then -- else an older version's operator has moved it since
    call('ZREM', ns .. 'scheduled:' .. queue, id)
    push('LPUSH', queue, id)
    count = count + 1
  end
end
return {'ok', count, call('EXISTS', parked)}
