#!lua flags=allow-oom
-- purge: ready or scheduled -> discarded: what was enqueued before an operator looked.
-- KEYS  1 namespace
-- ARGV  1 queue 2 ms: what was enqueued since stays, so that a late copy of this call harms nothing new
--       3 at most so many to look at
-- REPLY how many were discarded, 1 where there may be more
-- include: base
-- include: give_up
-- include: hold
local queue, latest, most = ARGV[1], tonumber(ARGV[2]), ARGV[3] + 0
local list = ns .. (call('HGET', ns .. 'queues', queue) == 'paused' and 'paused:' or 'ready:') .. queue
local gone, stay = {}, {}
local function sort_out(ids)
  for _, id in ipairs(ids) do
    local job = call('HGET', ns .. 'jobs', id) or ''
    local enqueued = string.match(job, '^%d* %d* %d* %d* %d* %d+ %d* %d* (%d+) ')
    if enqueued and tonumber(enqueued) >= latest then stay[#stay + 1] = id
    elseif job ~= '' then gone[#gone + 1] = id end -- an id without a record is no job
  end
end
local ids = call('LRANGE', list, -most, -1)
sort_out(ids)
local ready, kept = #ids, #stay
local room = #gone == 0 and most or most - ready -- newer jobs at the head hide no older scheduled one
if room > 0 then sort_out(call('ZRANGE', ns .. 'scheduled:' .. queue, 0, room - 1)) end
-- writes
if ready > kept then
  call('LTRIM', list, 0, -ready - 1)
  for i = 1, kept do call('RPUSH', list, stay[i]) end
end
for _, id in ipairs(gone) do
  unpark(id, queue)
  call('ZREM', ns .. 'scheduled:' .. queue, id)
  give_up(id, queue)
end
return {#gone, #gone > 0 and #gone + #stay >= most and 1 or 0}
