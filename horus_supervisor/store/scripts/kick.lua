#!lua flags=allow-oom
-- kick: leave a token wherever a queue has work and none lies there. Mends what died
-- between waking and claiming; called once a second.
-- KEYS  1 namespace
-- REPLY ok, then classes that crashed since their last success, with ! where held
-- include: base
-- include: push
-- include: rearm
-- include: hold
-- writes
rearm()
return suspects({'ok'})
