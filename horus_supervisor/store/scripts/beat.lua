#!lua flags=allow-oom
-- beat: a supervisor's heartbeat: a counter, which its observers compare with what they saw before.
-- KEYS  1 namespace
-- ARGV  1 supervisor 2 facts, JSON
-- REPLY ok | no member: never registered here, or retired
-- include: base
local mine = call('HGET', ns .. 'supervisors', ARGV[1])
if not mine then return {'no member'} end
local count, lease, started = string.match(mine, '^(%d+) (%d+) (%d+)')
-- writes
call('HSET', ns .. 'supervisors', ARGV[1], whole(count + 1) .. ' ' .. lease .. ' ' .. started .. ' ' .. ARGV[2])
return {'ok'}
