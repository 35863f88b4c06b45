#!lua flags=no-writes
-- find: one job, wherever it is.
-- KEYS  1 namespace
-- ARGV  1 id
-- REPLY state, packed or '', due or dead since ms or '', "slot own" where it runs or '', then its history
-- include: base
-- include: where
local state, job, since, slot = where(ARGV[1])
local reply = {state, job, since, slot}
for _, line in ipairs(call('LRANGE', ns .. 'history:' .. ARGV[1], 0, -1)) do reply[#reply + 1] = line end
return reply
