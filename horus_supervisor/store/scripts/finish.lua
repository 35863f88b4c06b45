#!lua flags=allow-oom
-- finish: running -> succeeded or discarded, then claim for the same runner.
-- KEYS  1 namespace
-- ARGV  1 slot 2 incarnation 3 seq 4 max_crashes 5 crash_delay_ms
--       6 succeeded or discarded 7... queues to claim from, none to stop
-- REPLY done, then as claim | stale | no member; a repeat gets the same again
-- include: base
-- include: slot
-- include: give_up
-- include: claim
local go = turn()
if go == 'again' then return claimed_again() end
if go ~= 'next' then return {go} end
if word ~= 'held' then return {'stale'} end
-- writes
call('HDEL', ns .. 'jobs', id)
call('SADD', ns .. 'finished', id)
if fence ~= '1' then call('DEL', ns .. 'history:' .. id) end
if ARGV[6] == 'discarded' then call('SADD', ns .. 'finished', ' ' .. id) end
call('HINCRBY', ns .. ARGV[6], queue, 1)
return claim_next('done', 7)
