#!lua flags=no-writes
-- list: jobs of one state, the oldest claim on attention first: the next to run, the newest dead.
-- KEYS  1 namespace
-- ARGV  1 state: ready scheduled running dead 2 queue, or '' for all 3 at most so many
--       4 a tag, or '': of the first ARGV 7 jobs a queue, those that have it
--       5 1: records without their payload 6 of each queue, so many are passed over; of what runs, none
-- REPLY four for each: id, packed, due or dead since ms or '', "slot own" where it runs or ''
-- include: base
local state, limit, tag, past = ARGV[1], ARGV[3] + 0, ARGV[4], ARGV[6] + 0
local reply = {}
local most = tag == '' and limit or ARGV[7] + 0
local function row(id, since, slot)
  local job = #reply < 4 * limit and call('HGET', ns .. 'jobs', id)
  local tags = tag ~= '' and job and string.match(job, '^[^\n]* !?(%S+)\n')
  if job and (tag == '' or tags and string.find(',' .. tags .. ',', ',' .. tag .. ',', 1, true)) then
    if ARGV[5] == '1' then job = string.match(job, '^[^\n]*\n') or '' end
    for _, value in ipairs({id, job, since, slot}) do reply[#reply + 1] = value end
  end
end
if state == 'running' then
  local all = call('HGETALL', ns .. 'own')
  for i = 2, #all, 2 do
    local id, queue = string.match(all[i], '^%d+ %d+ held %S+ (%S+) .* (%S+)$')
    if id and (ARGV[2] == '' or ARGV[2] == queue) then row(id, '', all[i - 1] .. ' ' .. all[i]) end
  end
  return reply
end
for _, queue in ipairs(ARGV[2] ~= '' and {ARGV[2]} or call('HKEYS', ns .. 'enqueued')) do
  if state == 'ready' then
    for _, list in ipairs({'ready:', 'paused:'}) do -- one of them is empty
      local ids = call('LRANGE', ns .. list .. queue, -past - most, -past - 1)
      for i = #ids, 1, -1 do row(ids[i], '', '') end
    end
  else
    local range = state == 'dead' and 'ZREVRANGE' or 'ZRANGE'
    local found = call(range, ns .. state .. ':' .. queue, past, past + most - 1, 'WITHSCORES')
    for i = 1, #found, 2 do row(found[i], found[i + 1], '') end
  end
end
return reply
