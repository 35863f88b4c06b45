-- claim: ready -> running, or -> discarded where a job is past its expiry. ARGV 4 max_crashes 5 crash_delay_ms

-- job_reply: a claimed job; where it was started before, with the history's line of its last attempt
local function job_reply(done, id, queue, started, job, fence)
  local reply = {done, 'job', id, queue, started, job}
  if fence ~= '1' then
    reply[7] = ''
    for _, line in ipairs(call('LRANGE', ns .. 'history:' .. id, -3, -1)) do
      local what = string.match(line, '^%d+ (%a+) ')
      if what ~= 'retried' and what ~= 'deferred' then reply[7] = line end
    end
  end
  return reply
end

-- claim_next: take a job from the first of the queues ARGV[first...] that has one.
-- The slot is the running record: nothing is written into the job.
local function claim_next(done, first)
  local late = {}
  for i = first, #ARGV do
    local queue = ARGV[i]
    local id = call('RPOP', ns .. 'ready:' .. queue)
    while id do
      local job = call('HGET', ns .. 'jobs', id)
      if job then -- an id without a record is no job
        local now = now_digits()
        local attempts, fence, name, expires = string.match(job,
          '^(%d*) %d* %d* (%d*) %d* %d+ %d* %d* %d+ %S+ (%S+) ?(%d*)')
        if not attempts then -- no record of ours: with a readable head, every script can move it; `?` is refused
          attempts, fence, name, expires, job = '', '', '?', '', '     1   ' .. now .. ' ' .. queue .. ' ?\n' .. job
          call('HSET', ns .. 'jobs', id, job)
        end
        if expires == '' or tonumber(expires) > tonumber(now) then
          fence = fence == '' and '1' or fence + 1
          note_slot('held ' .. done .. ' ' .. id .. ' ' .. fence .. ' ' .. (attempts == '' and '1' or attempts + 1)
            .. ' ' .. now .. ' ' .. ARGV[4] .. ' ' .. ARGV[5] .. ' ' .. queue)
          local reply = job_reply(done, id, queue, now, job, fence)
          if #late > 0 then reply[7], reply[8] = reply[7] or '', late end
          return reply
        end
        give_up(id, queue)
        late[#late + 1] = id .. ' ' .. queue .. ' ' .. (attempts == '' and '0' or attempts) .. ' ' .. name
        if #late == 100 then -- enough for one call
          note_slot('idle ' .. done .. ' more')
          return {done, 'more', late}
        end
      end
      id = call('RPOP', ns .. 'ready:' .. queue)
    end
  end
  note_slot('idle ' .. done .. ' empty')
  return #late > 0 and {done, 'empty', late} or {done, 'empty'}
end

-- claimed_again: the reply that this very call got before
local function claimed_again()
  if word == 'left' then return {'stale'} end -- its seq was another call's
  if word ~= 'held' then return {outcome, id} end -- empty or more
  return job_reply(outcome, id, queue, started, call('HGET', ns .. 'jobs', id) or '', fence)
end
