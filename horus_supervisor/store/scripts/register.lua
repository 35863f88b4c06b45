#!lua flags=allow-oom
-- register: a supervisor's id is opened. Ids are never used again: one that was retired stays closed for a day.
-- KEYS  1 namespace
-- ARGV  1 supervisor 2 lease_ms 3 facts, JSON
-- REPLY ok, a repeat too | retired
-- include: base
if call('ZSCORE', ns .. 'retired', ARGV[1]) then return {'retired'} end
if call('HEXISTS', ns .. 'supervisors', ARGV[1]) == 1 then return {'ok'} end
-- writes
call('HSET', ns .. 'supervisors', ARGV[1], '1 ' .. ARGV[2] .. ' ' .. whole(now_ms()) .. ' ' .. ARGV[3])
return {'ok'}
