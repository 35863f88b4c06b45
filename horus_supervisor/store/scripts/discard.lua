#!lua flags=allow-oom
-- discard: an operator's word: what does not run is given up.
-- KEYS  1 namespace
-- ARGV  1 id
-- REPLY ok | discarded: before | running | succeeded | unknown: nothing changed
-- include: base
-- include: where
local id = ARGV[1]
local state, _, _, _, queue = where(id)
if state ~= 'dead' and state ~= 'scheduled' and state ~= 'ready' then return {state} end
-- writes
if state == 'ready' then call('LREM', ns .. 'ready:' .. queue, 1, id)
else call('ZREM', ns .. state .. ':' .. queue, id) end
call('HDEL', ns .. 'jobs', id)
call('DEL', ns .. 'history:' .. id)
call('SADD', ns .. 'finished', id, ' ' .. id)
call('HINCRBY', ns .. 'discarded', queue, 1)
return {'ok'}
