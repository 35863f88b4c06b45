#!lua flags=allow-oom
-- discard: ready or scheduled or dead -> discarded, by an operator's word.
-- KEYS  1 namespace
-- ARGV  1 id 2 its fence when the operator looked, or '': a late copy must not hit a later start's end
-- REPLY ok | stale: it ran since | discarded: before | running | succeeded | unknown: nothing changed
-- include: base
-- include: where
-- include: give_up
-- include: hold
local id = ARGV[1]
local state, job, _, _, queue = where(id)
if state ~= 'dead' and state ~= 'scheduled' and state ~= 'ready' then return {state} end
local fence = tonumber(string.match(job, '^%d* %d* %d* (%d*) ')) or 0
if ARGV[2] ~= '' and fence ~= tonumber(ARGV[2]) then return {'stale'} end
-- writes
if state == 'ready' then
  if call('LREM', ns .. 'ready:' .. queue, 1, id) == 0 then call('LREM', ns .. 'paused:' .. queue, 1, id) end
else
  unpark(id, queue)
  call('ZREM', ns .. state .. ':' .. queue, id)
end
give_up(id, queue)
return {'ok'}
