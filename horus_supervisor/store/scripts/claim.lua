#!lua flags=allow-oom
-- claim: ready -> running, for a runner that holds nothing.
-- KEYS  1 namespace
-- ARGV  1 slot 2 incarnation 3 seq 4 max_crashes 5 crash_delay_ms 6 woken 7... queues, in the order to try
-- REPLY - job id queue started_ms packed | - empty | stale | no member; a repeat gets the same again
-- include: base
-- include: slot
-- include: claim
local go = turn()
if go == 'again' then return claimed_again() end
if go ~= 'next' then return {go} end
if word ~= 'idle' then return {'stale'} end
-- writes
return claim_next('-', 7)
