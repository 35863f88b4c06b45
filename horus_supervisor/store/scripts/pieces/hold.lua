-- hold: a class whose jobs bring down runner after runner is held back. Its jobs lie in `scheduled`, never due,
-- and in a list of the class's own, so that `unhold` finds them.
local NEVER = '9007199254740991'

-- suspects: classes that crashed since their last success, those that are held with `!` before them
local function suspects(reply)
  for _, name in ipairs(call('HKEYS', ns .. 'crashing')) do
    local held = call('HEXISTS', ns .. 'held', name) == 1
    reply[#reply + 1] = held and '!' .. name or name
  end
  return reply
end

-- blame: count a crash of a class; held from `most` on, where that is not 0
local function blame(name, most, code)
  local count = call('HINCRBY', ns .. 'crashing', name, 1)
  if most > 0 and count >= most then call('HSETNX', ns .. 'held', name, code) end
end

local function park(id, queue, name)
  schedule(queue, id, NEVER)
  call('RPUSH', ns .. 'parked:' .. name, id)
end

-- is_parked: whether a job of that queue waits for its class
local function is_parked(id, queue)
  local due = call('ZSCORE', ns .. 'scheduled:' .. queue, id)
  return due and tonumber(due) == tonumber(NEVER)
end

-- unpark: before an operator takes a job from `scheduled`
local function unpark(id, queue)
  if not is_parked(id, queue) then return end
  local name = string.match(call('HGET', ns .. 'jobs', id), HEAD .. '%S+ (%S+)')
  call('LREM', ns .. 'parked:' .. name, 1, id)
end
