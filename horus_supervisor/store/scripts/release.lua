#!lua flags=allow-oom
-- release: running -> ready or dead: a runner leaves. What it holds goes back to the head, uncounted.
-- A job that was started and may be started only once is dead instead.
-- KEYS  1 namespace
-- ARGV  1 slot 2 incarnation 3 seq 4 started: 1 where `execute` began 5 JSON for the history
--       6... the queues it served: a token that it may have taken is passed on
-- REPLY none: it held nothing | requeued | dead | stale | no member; a repeat gets the same again
-- include: base
-- include: push
-- include: slot
-- include: move
local go = turn()
if go == 'again' and word == 'left' then return {outcome} end
if go ~= 'next' then return {go == 'again' and 'stale' or go} end
local done = 'none'
local job = word == 'held' and call('HGET', ns .. 'jobs', id)
-- writes
if job then
  local n = counters(job)
  local now = now_ms()
  n.fence = fence + 0
  if ARGV[4] == '1' and n.max_attempts == 1 then
    n.attempts = n.attempts + 1
    to_dead(id, queue, job, n, now)
    done = 'dead'
  else
    to_head(id, queue, job, n, now)
    done = 'requeued'
  end
  if ARGV[4] == '1' then note(id, now, 'interrupted', attempt, fence, ARGV[5]) end
end
note_slot('left ' .. done)
for i = 6, #ARGV do
  if call('LLEN', ns .. 'ready:' .. ARGV[i]) > 0 then wake(ARGV[i]) end
end
return {done}
