#!lua flags=allow-oom
-- calm: a job of a class that had crashed has succeeded: its crashes are counted anew.
-- KEYS  1 namespace
-- ARGV  1 job name
-- REPLY ok | held: only an operator or new code ends that
-- include: base
if call('HEXISTS', ns .. 'held', ARGV[1]) == 1 then return {'held'} end
-- writes
call('HDEL', ns .. 'crashing', ARGV[1])
return {'ok'}
