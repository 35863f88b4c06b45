#!lua flags=no-writes
-- crashes: the newest crash records.
-- KEYS  1 namespace
-- ARGV  1 at most so many 2 not older than so many ms, or '' 3 a stream id: older than that one; or ''
-- REPLY for each: stream id, then its fields as pairs
-- include: base
local oldest = '-'
if ARGV[2] ~= '' then oldest = whole(now_ms() - ARGV[2]) end
local newest = '+'
if ARGV[3] ~= '' then newest = '(' .. ARGV[3] end
return call('XREVRANGE', ns .. 'crashes', newest, oldest, 'COUNT', ARGV[1])
