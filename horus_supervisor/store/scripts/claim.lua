#!lua flags=allow-oom
-- claim: ready -> running or discarded, for a runner that holds nothing; discarded past its expiry.
-- KEYS  1 namespace
-- ARGV  1 slot 2 incarnation 3 seq 4 max_crashes 5 crash_delay_ms 6 woken: 1 where a token was taken
--       7... queues, in the order to try
-- REPLY - job id queue started_ms packed [its last attempt or '' [who had expired: each id queue attempts name]]
--       | - empty or more: call again [who had expired] | stale | no member
--       a repeat gets the same again, less the expired
-- include: base
-- include: push
-- include: slot
-- include: give_up
-- include: claim
local go = turn()
if go == 'again' then return claimed_again() end
if go ~= 'next' then return {go} end
if word ~= 'idle' then return {'stale'} end
-- writes
local reply = claim_next('-', 7)
if ARGV[6] == '1' and reply[2] == 'job' then -- others sleep, and the token is taken
  for i = 7, #ARGV do
    if call('EXISTS', ns .. 'ready:' .. ARGV[i]) == 1 then wake(ARGV[i]) end
  end
end
return reply
