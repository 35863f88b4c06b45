#!lua flags=no-writes
-- overview: all that `status` shows, at one moment.
-- KEYS  1 namespace
-- REPLY now_ms
--       queues: ten for each: queue, enqueued, succeeded, discarded, ready, scheduled, dead,
--         the record at the head without its payload or '', its id or '', 1 where it is paused
--       supervisors: pairs id, text
--       own: pairs slot, text
-- include: base
local function count(what, queue) return call('HGET', ns .. what, queue) or '0' end

local names, queues = call('HKEYS', ns .. 'enqueued'), {}
for _, queue in ipairs(call('SMEMBERS', ns .. 'paused')) do
  if call('HEXISTS', ns .. 'enqueued', queue) == 0 then names[#names + 1] = queue end -- before its first job
end
for _, queue in ipairs(names) do
  local paused = call('SISMEMBER', ns .. 'paused', queue)
  local list = ns .. (paused == 1 and 'paused:' or 'ready:') .. queue
  local head = call('LINDEX', list, -1) or ''
  local job = head ~= '' and call('HGET', ns .. 'jobs', head) or ''
  for _, value in ipairs({queue, count('enqueued', queue), count('succeeded', queue), count('discarded', queue),
    call('LLEN', list), call('ZCARD', ns .. 'scheduled:' .. queue),
    call('ZCARD', ns .. 'dead:' .. queue), string.match(job, '^[^\n]*\n') or '', head, paused}) do
    queues[#queues + 1] = value
  end
end
return {whole(now_ms()), queues, call('HGETALL', ns .. 'supervisors'), call('HGETALL', ns .. 'own')}
