#!lua flags=allow-oom
-- join: a runner becomes a member, before its first claim.
-- KEYS  1 namespace
-- ARGV  1 slot 2 incarnation 3 supervisor
-- REPLY ok, a repeat too, then classes that crashed since their last success, with ! where held
--       | wait: the predecessor in this slot has neither left nor is its death recorded
--       | stale: a later incarnation was here, or this one's death is recorded
--       | no member: the supervisor is not registered
-- include: base
-- include: hold
if call('HEXISTS', ns .. 'supervisors', ARGV[3]) == 0 then return {'no member'} end
local mine = call('HGET', ns .. 'own', ARGV[1])
if mine then
  local incarnation, word = string.match(mine, '^(%d+) %d+ (%a+)')
  if incarnation == ARGV[2] then
    if word == 'crashed' or word == 'left' then return {'stale'} end
    return suspects({'ok'})
  end
  if incarnation + 0 > tonumber(ARGV[2]) then return {'stale'} end
  if word ~= 'left' and word ~= 'crashed' then return {'wait'} end
end
-- writes
call('HSET', ns .. 'own', ARGV[1], ARGV[2] .. ' 0 idle -')
return suspects({'ok'})
