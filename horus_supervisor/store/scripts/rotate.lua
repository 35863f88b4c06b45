#!lua flags=allow-oom
-- rotate: forget finished ids, so that each is known for keep_finished to twice that,
-- however many keepers call.
-- KEYS  1 namespace
-- ARGV  1 keep_finished_ms
-- REPLY ok: rotated | early
-- include: base
local now = now_ms()
local last = call('GET', ns .. 'rotated')
if last and math.abs(now - last) < tonumber(ARGV[1]) then return {'early'} end -- abs: a clock set back
-- writes
call('UNLINK', ns .. 'finished:old')
if call('EXISTS', ns .. 'finished') == 1 then call('RENAME', ns .. 'finished', ns .. 'finished:old') end
call('SET', ns .. 'rotated', whole(now))
return {'ok'}
