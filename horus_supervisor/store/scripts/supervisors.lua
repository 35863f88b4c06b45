#!lua flags=no-writes
-- supervisors: who is registered, with their heartbeats.
-- KEYS  1 namespace
-- REPLY pairs: id, "beat lease_ms started_ms facts"
-- include: base
return call('HGETALL', ns .. 'supervisors')
