#!lua flags=allow-oom
-- retire: running -> ready or scheduled or dead: a supervisor is gone for good. Every slot of its is
-- settled, its id closed. The first caller wins.
-- KEYS  1 namespace
-- ARGV  1 supervisor 2 the heartbeat at which it stood still, or '' where its death is proven
--       3 lost | interrupted: the death of slots not listed 4 their record, JSON
--       5 executing of slots not listed: 0, or '?' where nobody can read the scoreboard
--       6... four for each slot known: slot, executing, death, record
-- REPLY ok, then six for each slot whose job was in flight: slot, disposition, job id, queue, attempt, name
--       | alive: its heart beats | gone: retired before
-- include: base
-- include: push
-- include: move
-- include: death
-- include: rearm
local found = call('HGET', ns .. 'supervisors', ARGV[1])
if not found then return {'gone'} end
if ARGV[2] ~= '' and string.match(found, '^%d+') ~= ARGV[2] then return {'alive'} end
local known = {}
for i = 6, #ARGV, 4 do known[ARGV[i]] = {ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]} end
local others = {ARGV[5], ARGV[3], ARGV[4]}
local now, mine, reply = now_ms(), ARGV[1] .. '/', {'ok'}
local slots = {}
for _, slot in ipairs(call('HKEYS', ns .. 'own')) do
  if string.sub(slot, 1, #mine) == mine then slots[#slots + 1] = slot end
end
table.sort(slots)
-- writes
for _, slot in ipairs(slots) do
  local executing, death, record = unpack(known[slot] or others)
  local own = call('HGET', ns .. 'own', slot)
  local flight = settle(own, executing, death, record, now)
  if flight.id ~= '' then
    if death ~= 'interrupted' then write_record(slot, string.match(own, '^%d+'), flight, record) end
    for _, value in ipairs({slot, flight.disposition, flight.id, flight.queue, flight.attempt, flight.name}) do
      reply[#reply + 1] = value
    end
  end
  call('HDEL', ns .. 'own', slot)
  call('HDEL', ns .. 'deaths', slot)
end
call('HDEL', ns .. 'supervisors', ARGV[1])
call('ZADD', ns .. 'retired', whole(now), ARGV[1])
call('ZREMRANGEBYSCORE', ns .. 'retired', '-inf', whole(now - 86400000))
rearm()
return reply
