-- rearm: leave a token wherever a queue has work and none lies there. Whoever died, or was gone for
-- another reason, may have taken one and never claimed.
local function rearm()
  local words = call('HGETALL', ns .. 'queues')
  for i = 1, #words, 2 do
    local queue = words[i]
    if words[i + 1] == 'awake' then
      if call('EXISTS', ns .. 'ready:' .. queue) == 1 then wake(queue) else call('HDEL', ns .. 'queues', queue) end
    end
  end
end
