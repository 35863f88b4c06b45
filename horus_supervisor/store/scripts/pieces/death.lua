-- death: what becomes of the job in a dead runner's slot (the table "how a job ends").

-- fate: count the death, and tell where the job goes
local function fate(n, death, limit)
  n.attempts = n.attempts + 1
  if death == 'crashed' then n.crashes = n.crashes + 1 end
  if death == 'lost' then n.losses = n.losses + 1 end
  if death == 'crashed' and n.crashes >= limit then return 'quarantined' end
  if n.attempts >= n.max_attempts then return 'exhausted' end
  if (death == 'crashed' and n.crashes == 1) or (death == 'lost' and n.losses == 1) then return 'requeued' end
  return 'scheduled'
end

local function place(id, queue, job, n, disposition, delay, now)
  if disposition == 'requeued' then to_head(id, queue, job, n, now)
  elseif disposition == 'scheduled' then to_scheduled(id, queue, job, n, now + delay)
  else to_dead(id, queue, job, n, now) end
end

-- settle: move the job that a dead runner's slot holds; the caller closes the slot.
--   own: the slot's text, '' where nothing of that life is in it
--   executing: seq of the claim whose job was in `execute`, 0 for none; nobody can know: '?', or one
--     that no claim had yet, which a job wrote over its row
-- Returns what was in flight: disposition, id ('' for none), queue, attempt, name, started, args.
local function settle(own, executing, death, record, now)
  local flight = {disposition = 'none', id = '', queue = '', attempt = '0', name = '', started = '0', args = ''}
  local seq, id, fence, attempt, started, crashes, delay, queue =
    string.match(own, '^%d+ (%d+) held %S+ (%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%S+)$')
  local job = id and call('HGET', ns .. 'jobs', id)
  if not job then return flight end
  local n = counters(job)
  n.fence = fence + 0
  local last = tonumber(executing)
  if last and last >= 0 and last < seq + 0 then -- claimed, never begun
    to_head(id, queue, job, n, now)
    return flight
  end
  flight.id, flight.queue, flight.attempt, flight.started = id, queue, attempt, started
  flight.name = string.match(job, HEAD .. '%S+ (%S+)')
  if string.match(job, '^[^\n]* !%S*\n') then flight.payload = string.match(job, '^[^\n]*\n(.*)$') end
  if #job < 8192 then flight.args = string.match(job, '^[^\n]*\n(.*)$') end -- longer ones lie with the job
  if death == 'interrupted' and n.max_attempts > 1 then
    flight.disposition = 'requeued'
  else
    local limit = string.match(job, '^%d* %d* %d* %d* %d* %d+ (%d+)') or crashes
    flight.disposition = fate(n, death, limit + 0)
  end
  flight.blamed = death == 'crashed' and flight.name ~= 'horus.on_crash' -- which stands for many classes
  place(id, queue, job, n, flight.disposition, delay + 0, now)
  note(id, now, death, attempt, fence, record)
  return flight
end

-- tell_class: make the job that lets a class hear of a crash (job/on_crash.py); its arguments are JSON in JSON
local function tell_class(flight, crash_id, record, now)
  local args = {job = flight.name, payload = flight.payload, record = record, crash_id = crash_id,
    disposition = flight.disposition, job_id = flight.id, queue = flight.queue, attempt = flight.attempt + 0}
  call('HSET', ns .. 'jobs', crash_id, '     12   ' .. whole(now) .. ' ' .. flight.queue .. ' horus.on_crash\n'
    .. cjson.encode(args))
  call('HINCRBY', ns .. 'enqueued', flight.queue, 1)
  push('LPUSH', flight.queue, crash_id)
end

local function write_record(slot, incarnation, flight, record)
  local crash_id = string.sub(redis.sha1hex(slot .. '/' .. incarnation), 1, 20)
  call('XADD', ns .. 'crashes', 'MAXLEN', '~', '4000', '*', 'crash_id', crash_id,
    'disposition', flight.disposition, 'job_id', flight.id, 'job', flight.name, 'queue', flight.queue,
    'attempt', flight.attempt, 'started_ms', flight.started, 'args', flight.args, 'record', record)
  if flight.payload then tell_class(flight, crash_id, record, now_ms()) end
end
