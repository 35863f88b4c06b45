#!lua flags=allow-oom
-- register: a supervisor's id is opened. Ids are never used again: one that was retired stays closed for a day.
-- Its user must have the right to all that any script calls: one that is refused a command in its middle has
-- done half of its work.
-- KEYS  1 namespace
-- ARGV  1 supervisor 2 lease_ms 3 facts, JSON
-- REPLY ok, a repeat too | retired
-- include: base
local RIGHTS = 'DEL EXISTS GET HDEL HEXISTS HGET HGETALL HINCRBY HKEYS HSCAN HSET HSETNX HVALS LINDEX LLEN LPOP '
  .. 'LPUSH LRANGE LREM LTRIM RENAME RPOP RPUSH SADD SET SISMEMBER SSCAN TIME UNLINK XADD XREVRANGE ZADD ZCARD '
  .. 'ZRANGE ZRANGEBYSCORE ZREM ZREMRANGEBYSCORE ZREVRANGE ZSCORE'
for command in string.gmatch(RIGHTS, '%a+') do
  if not redis.acl_check_cmd(command, ns, ns) then
    return redis.error_reply('NOPERM this user has no right to ' .. command .. ', which a script needs')
  end
end
if call('ZSCORE', ns .. 'retired', ARGV[1]) then return {'retired'} end
if call('HEXISTS', ns .. 'supervisors', ARGV[1]) == 1 then return {'ok'} end
-- writes
call('HSET', ns .. 'supervisors', ARGV[1], '1 ' .. ARGV[2] .. ' ' .. whole(now_ms()) .. ' ' .. ARGV[3])
return {'ok'}
