#!lua flags=allow-oom
-- kick: leave a token wherever a queue has work and none lies there. Mends what died
-- between waking and claiming; called once a second.
-- KEYS  1 namespace
-- REPLY ok, then the classes that are held
-- include: base
-- include: push
-- include: rearm
-- writes
rearm()
return {'ok', unpack(call('HKEYS', ns .. 'held'))}
