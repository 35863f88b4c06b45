#!lua flags=allow-oom
-- pause: no job of a queue starts until it is resumed; those that run go on.
-- KEYS  1 namespace
-- ARGV  1 queue
-- REPLY ok | paused: before
-- include: base
local queue = ARGV[1]
if call('HGET', ns .. 'queues', queue) == 'paused' then return {'paused'} end
-- writes
call('HSET', ns .. 'queues', queue, 'paused')
local ready = ns .. 'ready:' .. queue
if call('EXISTS', ready) == 1 then call('RENAME', ready, ns .. 'paused:' .. queue) end
call('DEL', ns .. 'wake:' .. queue)
return {'ok'}
