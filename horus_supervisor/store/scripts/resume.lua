#!lua flags=allow-oom
-- resume: a paused queue's jobs start again, in the order in which they waited.
-- KEYS  1 namespace
-- ARGV  1 queue
-- REPLY ok | running: it was not paused
-- include: base
-- include: push
local queue = ARGV[1]
if call('SISMEMBER', ns .. 'paused', queue) == 0 then return {'running'} end
-- writes
call('SREM', ns .. 'paused', queue)
if call('EXISTS', ns .. 'paused:' .. queue) == 1 then
  call('RENAME', ns .. 'paused:' .. queue, ns .. 'ready:' .. queue)
  wake(queue)
end
return {'ok'}
