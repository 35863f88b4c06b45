#!lua flags=allow-oom
-- crash: running -> ready or scheduled or dead: a runner died. Its slot is closed (a claim still in its
-- socket is refused), its job moves, the record is written, and what became of the job is kept for a
-- repeat until the slot's next death.
-- KEYS  1 namespace
-- ARGV  1 slot 2 incarnation 3 supervisor 4 executing: seq of the claim whose job was in `execute`, 0 for none,
--       -1 where nobody can know
--       5 crashed | killed | interrupted: no record 6 record, JSON
--       7 so many crashes with no success between hold a class back, 0 for never 8 which code it ran
-- REPLY ok or again, disposition, job id or '', queue or '', attempt
--       | stale: a later death is recorded | wait, incarnation: an earlier life in the slot is not settled
--       | no member: its supervisor was retired, which settled the slot
-- include: base
-- include: push
-- include: move
-- include: death
-- include: rearm
-- include: hold
local slot, life = ARGV[1], tonumber(ARGV[2])
if call('HEXISTS', ns .. 'supervisors', ARGV[3]) == 0 then return {'no member'} end
local last, disposition, attempt, queue, id = string.match(call('HGET', ns .. 'deaths', slot) or '',
  '^(%d+) (%S+) (%d+) (%S*) (%S*)$')
if last == ARGV[2] then return {'again', disposition, id, queue, attempt} end
if last and last + 0 > life then return {'stale'} end
local own = call('HGET', ns .. 'own', slot) or '0 0 left -'
local there, seq, word = string.match(own, '^(%d+) (%d+) (%a+)')
there = there + 0
if there < life and (word == 'held' or word == 'idle') then return {'wait', whole(there)} end
-- writes
if there <= life then -- else its successor is in: it had left, or never joined
  call('HSET', ns .. 'own', slot, ARGV[2] .. ' ' .. (there == life and seq or '0') .. ' crashed -')
end
local flight = settle(there == life and own or '', ARGV[4], ARGV[5], ARGV[6], now_ms())
call('HSET', ns .. 'deaths', slot, ARGV[2] .. ' ' .. flight.disposition .. ' ' .. flight.attempt .. ' '
  .. flight.queue .. ' ' .. flight.id)
if flight.blamed then blame(flight.name, tonumber(ARGV[7]), ARGV[8]) end
if ARGV[5] ~= 'interrupted' then write_record(slot, ARGV[2], flight, ARGV[6]) end
rearm()
return {'ok', flight.disposition, flight.id, flight.queue, flight.attempt}
