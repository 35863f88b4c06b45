#!lua flags=no-writes
-- crashes: the newest crash records.
-- KEYS  1 namespace
-- ARGV  1 at most so many 2 not older than so many ms, or ''
-- REPLY for each: stream id, then its fields as pairs
-- include: base
local oldest = '-'
if ARGV[2] ~= '' then oldest = whole(now_ms() - ARGV[2]) end
return call('XREVRANGE', ns .. 'crashes', '+', oldest, 'COUNT', ARGV[1])
