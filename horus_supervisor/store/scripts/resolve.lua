#!lua flags=no-writes
-- resolve: the ids that begin so: of dead, scheduled and running jobs, and of the newest 100 crash records.
-- KEYS  1 namespace
-- ARGV  1 beginning
-- REPLY job ids, crash ids; at most ten of each
-- include: base
local jobs, crashes, head = {}, {}, ARGV[1]
local function take(list, id)
  if #list < 10 and string.sub(id, 1, #head) == head then list[#list + 1] = id end
end
for _, queue in ipairs(call('HKEYS', ns .. 'enqueued')) do
  for _, state in ipairs({'dead:', 'scheduled:'}) do
    for _, id in ipairs(call('ZRANGE', ns .. state .. queue, 0, 9999)) do take(jobs, id) end
  end
end
for _, own in ipairs(call('HVALS', ns .. 'own')) do
  take(jobs, string.match(own, '^%d+ %d+ held %S+ (%S+)') or '')
end
for _, entry in ipairs(call('XREVRANGE', ns .. 'crashes', '+', '-', 'COUNT', 100)) do take(crashes, entry[2][2]) end
return {jobs, crashes}
