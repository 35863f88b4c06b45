#!lua flags=allow-oom
-- fail: running -> scheduled or dead or ready, then claim for the same runner.
-- KEYS  1 namespace
-- ARGV  1 slot 2 incarnation 3 seq 4 max_crashes 5 crash_delay_ms
--       6 failed: an attempt, again after ARGV 7 ms; dead at max_attempts
--         deferred: none; again after 1 s, doubling to 60 s; dead once that has gone on for ARGV 7 ms
--         refused: none, and dead
--         held: none; parked where its class is held, else back to the head at once
--       7 ms 8 JSON for the history 9... queues to claim from, none to stop
-- REPLY scheduled:due_ms, dead, parked or free, then as claim | stale | no member; a repeat gets the same again
-- include: base
-- include: push
-- include: slot
-- include: give_up
-- include: claim
-- include: move
-- include: hold
local go = turn()
if go == 'again' then return claimed_again() end
if go ~= 'next' then return {go} end
if word ~= 'held' then return {'stale'} end
local job = call('HGET', ns .. 'jobs', id)
if not job then return {'stale'} end
local n = counters(job)
local now, what, delay, heard = now_ms(), ARGV[6], tonumber(ARGV[7]), true
n.fence = fence + 0
local dead = what == 'refused'
if what == 'failed' then
  n.attempts = n.attempts + 1
  dead = n.attempts >= n.max_attempts
elseif what == 'deferred' then
  local last = call('LINDEX', ns .. 'history:' .. id, -1) or ''
  local since = string.match(last, '^(%d+) deferred ')
  heard = not since -- one line of history for the whole wait
  since = since and now - since or 0
  dead = since >= delay
  delay = math.max(1000, math.min(60000, since))
end
-- writes
local done = 'dead'
if what == 'held' then
  local name = string.match(job, HEAD .. '%S+ (%S+)')
  if call('HEXISTS', ns .. 'held', name) == 1 then
    repack(id, job, n)
    park(id, queue, name)
    done = 'parked'
  else
    to_head(id, queue, job, n, now)
    done = 'free'
  end
  return claim_next(done, 9)
end
if dead then
  to_dead(id, queue, job, n, now)
else
  to_scheduled(id, queue, job, n, now + delay)
  done = 'scheduled:' .. whole(now + delay)
end
if heard or dead then note(id, now, what, attempt, fence, ARGV[8]) end
return claim_next(done, 9)
