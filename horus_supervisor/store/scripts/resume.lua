#!lua flags=allow-oom
-- resume: a paused queue's jobs start again, in the order in which they waited.
-- KEYS  1 namespace
-- ARGV  1 queue
-- REPLY ok | running: it was not paused
-- include: base
-- include: push
local queue = ARGV[1]
if call('HGET', ns .. 'queues', queue) ~= 'paused' then return {'running'} end
-- writes
if call('EXISTS', ns .. 'paused:' .. queue) == 1 then
  call('RENAME', ns .. 'paused:' .. queue, ns .. 'ready:' .. queue)
  call('HSET', ns .. 'queues', queue, 'awake')
  wake(queue)
else
  call('HDEL', ns .. 'queues', queue)
end
return {'ok'}
