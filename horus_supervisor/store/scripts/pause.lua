#!lua flags=allow-oom
-- pause: no job of a queue starts until it is resumed; those that run go on.
-- KEYS  1 namespace
-- ARGV  1 queue
-- REPLY ok | paused: before
-- include: base
local queue = ARGV[1]
if call('SISMEMBER', ns .. 'paused', queue) == 1 then return {'paused'} end
-- writes
call('SADD', ns .. 'paused', queue)
local ready = ns .. 'ready:' .. queue
if call('EXISTS', ready) == 1 then call('RENAME', ready, ns .. 'paused:' .. queue) end
call('DEL', ns .. 'wake:' .. queue)
return {'ok'}
