#!lua flags=no-writes
-- overview: all that `status` shows, at one moment.
-- KEYS  1 namespace
-- REPLY now_ms
--       queues: eleven for each: queue, enqueued, succeeded, discarded, ready, scheduled, dead,
--         the record at the head without its payload or '', its id or '', 1 where it is paused,
--         when the next scheduled one is due or ''
--       supervisors: pairs id, text
--       own: pairs slot, text
--       classes that crashed since their last success: three for each: name, 1 where it is held back, jobs parked
-- include: base
local function pairs_of(all)
  local found, names = {}, {}
  for i = 1, #all, 2 do found[all[i]], names[#names + 1] = all[i + 1], all[i] end
  return found, names
end

local enqueued, names = pairs_of(call('HGETALL', ns .. 'enqueued'))
local succeeded = pairs_of(call('HGETALL', ns .. 'succeeded'))
local discarded = pairs_of(call('HGETALL', ns .. 'discarded'))
local words, marked = pairs_of(call('HGETALL', ns .. 'queues'))
local due = pairs_of(call('ZRANGE', ns .. 'due', 0, -1, 'WITHSCORES')) -- its times may be too early
for _, queue in ipairs(marked) do
  if not enqueued[queue] then names[#names + 1] = queue end -- paused before its first job
end
local queues = {}
for _, queue in ipairs(names) do
  local word, ready, head, job = words[queue], 0, '', ''
  if word then
    local list = ns .. (word == 'paused' and 'paused:' or 'ready:') .. queue
    ready, head = call('LLEN', list), call('LINDEX', list, -1) or ''
    job = head ~= '' and call('HGET', ns .. 'jobs', head) or ''
  end
  local scheduled, first = 0, ''
  if due[queue] then
    scheduled = call('ZCARD', ns .. 'scheduled:' .. queue)
    first = call('ZRANGE', ns .. 'scheduled:' .. queue, 0, 0, 'WITHSCORES')[2] or ''
  end
  for _, value in ipairs({queue, enqueued[queue] or '0', succeeded[queue] or '0', discarded[queue] or '0',
    ready, scheduled, call('ZCARD', ns .. 'dead:' .. queue),
    string.match(job, '^[^\n]*\n') or '', head, word == 'paused' and 1 or 0, first}) do
    queues[#queues + 1] = value
  end
end
local classes = {}
for _, name in ipairs(call('HKEYS', ns .. 'crashing')) do
  for _, value in ipairs({name, call('HEXISTS', ns .. 'held', name), call('LLEN', ns .. 'parked:' .. name)}) do
    classes[#classes + 1] = value
  end
end
return {whole(now_ms()), queues, call('HGETALL', ns .. 'supervisors'), call('HGETALL', ns .. 'own'), classes}
