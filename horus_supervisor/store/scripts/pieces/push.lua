-- push: a job begins to wait. A paused queue's jobs wait in a list that no claim looks at, so that
-- claims need not ask whether a queue is paused, and nobody is woken for one.

-- wake: leave one token for the idle runners of a queue, if none lies there
local function wake(queue)
  if call('EXISTS', ns .. 'wake:' .. queue) == 0 then call('LPUSH', ns .. 'wake:' .. queue, '1') end
end

-- push: LPUSH to be the last to run, RPUSH to be the next
local function push(how, queue, id)
  if call('SISMEMBER', ns .. 'paused', queue) == 1 then
    call(how, ns .. 'paused:' .. queue, id)
  else
    call(how, ns .. 'ready:' .. queue, id)
    wake(queue)
  end
end
