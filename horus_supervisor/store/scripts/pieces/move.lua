-- move: a job leaves `running` and stays. A packed job is
-- "attempts crashes losses fence due_ms max_attempts max_crashes timeout_ms enqueued_ms queue name\n"
-- and the payload, which no script looks into; after the name " expires_ms tags" where it has either.
-- attempts .. due_ms change, the rest never does.
-- Zero is written as nothing: 7 bytes less, which lets 100 bytes of payload into malloc's class of 160.

local function counters(job)
  local a, c, l, f, d, most = string.match(job, '^(%d*) (%d*) (%d*) (%d*) (%d*) (%d+)')
  local function zero(digits) return tonumber(digits) or 0 end
  return {attempts = zero(a), crashes = zero(c), losses = zero(l), fence = zero(f), due = zero(d),
    max_attempts = most + 0}
end

local function repack(id, job, n)
  local constant = string.match(job, '^%d* %d* %d* %d* %d*( .*)$')
  local function digits(number) return number == 0 and '' or whole(number) end
  call('HSET', ns .. 'jobs', id, digits(n.attempts) .. ' ' .. digits(n.crashes) .. ' ' .. digits(n.losses)
    .. ' ' .. digits(n.fence) .. ' ' .. digits(n.due) .. constant)
end

-- note: add a line to the job's history: when, what, which attempt, and a JSON object
local function note(id, now, what, attempt, fence, text)
  local key = ns .. 'history:' .. id
  call('RPUSH', key, whole(now) .. ' ' .. what .. ' ' .. attempt .. ' ' .. fence .. ' ' .. text)
  call('LTRIM', key, -50, -1)
end

local function to_head(id, queue, job, n, now)
  n.due = now
  repack(id, job, n)
  push('RPUSH', queue, id)
end

local function to_scheduled(id, queue, job, n, due)
  n.due = due
  repack(id, job, n)
  schedule(queue, id, whole(due))
end

local function to_dead(id, queue, job, n, now)
  repack(id, job, n)
  call('ZADD', ns .. 'dead:' .. queue, whole(now), id)
end
