-- claim: ready -> running. ARGV 4 max_crashes 5 crash_delay_ms 6 woken: 1 where a token was taken.

local function pass_token(first)
  for i = first, #ARGV do
    if call('EXISTS', ns .. 'ready:' .. ARGV[i]) == 1 then wake(ARGV[i]) end
  end
end

-- claim_next: take a job from the first of the queues ARGV[first...] that has one.
-- The slot is the running record: nothing is written into the job.
local function claim_next(done, first)
  for i = first, #ARGV do
    local queue = ARGV[i]
    local id, job
    repeat -- an id without a record is no job
      id = call('RPOP', ns .. 'ready:' .. queue)
      job = id and call('HGET', ns .. 'jobs', id)
    until job or not id
    if id then
      local t = call('TIME')
      local started = t[1] .. string.sub('00000' .. t[2], -6, -4)
      local attempts, fence = string.match(job, '^(%d*) %d* %d* (%d*) %d* %d+ ')
      if not attempts then -- no record of ours: with a readable head, every script can move it; `?` is refused
        attempts, fence, job = '', '', '     1   ' .. started .. ' ' .. queue .. ' ?\n' .. job
        call('HSET', ns .. 'jobs', id, job)
      end
      note_slot('held ' .. done .. ' ' .. id .. ' ' .. (fence == '' and '1' or fence + 1)
        .. ' ' .. (attempts == '' and '1' or attempts + 1) .. ' ' .. started
        .. ' ' .. ARGV[4] .. ' ' .. ARGV[5] .. ' ' .. queue)
      if ARGV[6] == '1' then pass_token(first) end
      return {done, 'job', id, queue, started, job}
    end
  end
  note_slot('idle ' .. done)
  return {done, 'empty'}
end

-- claimed_again: the reply that this very call got before
local function claimed_again()
  if word == 'left' then return {'stale'} end -- its seq was another call's
  if word ~= 'held' then return {outcome, 'empty'} end
  local id, started, queue = string.match(rest, '^(%S+) %d+ %d+ (%d+) %d+ %d+ (%S+)$')
  return {outcome, 'job', id, queue, started, call('HGET', ns .. 'jobs', id) or ''}
end
