#!lua
-- enqueue: unknown -> ready or scheduled. Refused whole at maxmemory (no allow-oom).
-- KEYS  1 namespace
-- ARGV  1 id 2 queue 3 delay_ms or '' 4 due_ms or '' 5 max_attempts 6 max_crashes or ''
--       7 timeout_ms or '' 8 job name 9 payload; where it may be discarded unstarted or is marked, also
--       10 so many ms after it is due, or '' 11 expires_ms or '' 12 tags, "a,b" or '',
--       with ! before them where its class wants to hear of its crashes
-- REPLY created | known: the id waits, runs, is dead, or ended a moment ago; nothing written
--       | an error that names the argument with which no script could read back the job or its slot
-- include: base
-- include: push
local id, queue = ARGV[1], ARGV[2]
local digits = now_digits()
local now = digits + 0
local due = 0
if ARGV[3] ~= '' then due = now + ARGV[3] elseif ARGV[4] ~= '' then due = ARGV[4] + 0 end
local unfit = not string.find(id, '^[!-~]+$') and '1, the id,'
  or not string.find(queue, '^[%w_.-]+$') and '2, the queue,'
  or due >= 253402300800000 and '3 or 4, milliseconds to the year 9999 at most,' -- say, of microseconds
  or not string.find(ARGV[8], '^[^%s%c]+$') and '8, the job name,'
if unfit then
  return redis.error_reply('ERR enqueue: argument ' .. unfit .. ' is not what docs/protocol.md asks for')
end
if call('SISMEMBER', ns .. 'finished', id) == 1 or call('SISMEMBER', ns .. 'finished:old', id) == 1 then
  return {'known'}
end
local expires = ARGV[11] or ''
if (ARGV[10] or '') ~= '' then expires = whole((due > now and due or now) + ARGV[10]) end
local extra = ''
if expires ~= '' or (ARGV[12] or '') ~= '' then extra = ' ' .. expires .. ' ' .. (ARGV[12] or '') end
-- writes
local job = '    ' .. (due > 0 and whole(due) or '') .. ' ' .. ARGV[5] .. ' ' .. ARGV[6] .. ' ' .. ARGV[7] .. ' '
  .. digits .. ' ' .. queue .. ' ' .. ARGV[8] .. extra .. '\n' .. ARGV[9]
if call('HSETNX', ns .. 'jobs', id, job) == 0 then return {'known'} end -- the last check is the first write
local placed, why = pcall(function()
  call('HINCRBY', ns .. 'enqueued', queue, 1)
  if due > now then schedule(queue, id, whole(due)) else push('LPUSH', queue, id) end -- which places it last
end)
if not placed then -- a key that is not ours, a user who may not: a repeat must not take it for known
  redis.pcall('HDEL', ns .. 'jobs', id)
  redis.pcall('HINCRBY', ns .. 'enqueued', queue, -1)
  return redis.error_reply(why)
end
return {'created'}
