-- rearm: leave a token wherever a queue has work and none lies there. Whoever died, or was gone for
-- another reason, may have taken one and never claimed.
local function rearm()
  for _, queue in ipairs(call('HKEYS', ns .. 'enqueued')) do
    if call('EXISTS', ns .. 'ready:' .. queue) == 1 then wake(queue) end
  end
end
