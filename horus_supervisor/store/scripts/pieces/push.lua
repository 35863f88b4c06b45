-- push: a job begins to wait. A paused queue's jobs wait in a list that no claim looks at, so that
-- claims need not ask whether a queue is paused, and nobody is woken for one. Every queue with ready jobs
-- is `awake`, and every queue with scheduled ones is `due` at its earliest time or before it: keepers look
-- at these alone, however many names there are.

-- wake: leave one token for the idle runners of a queue, if none lies there
local function wake(queue)
  if call('EXISTS', ns .. 'wake:' .. queue) == 0 then call('LPUSH', ns .. 'wake:' .. queue, '1') end
end

-- push: LPUSH to be the last to run, RPUSH to be the next
local function push(how, queue, id)
  local word = call('HGET', ns .. 'queues', queue)
  if word == 'paused' then
    call(how, ns .. 'paused:' .. queue, id)
  else
    if not word then call('HSET', ns .. 'queues', queue, 'awake') end
    wake(queue)
    call(how, ns .. 'ready:' .. queue, id)
  end
end

local function schedule(queue, id, due)
  call('ZADD', ns .. 'due', 'LT', due, queue)
  call('ZADD', ns .. 'scheduled:' .. queue, due, id)
end
