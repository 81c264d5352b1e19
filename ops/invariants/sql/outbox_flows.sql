-- TRUTH    what was promised to other rooms is delivered: no event waits longer than the bound, none is stuck
-- PARAMS   sale_id: text, NULL for every sale; outbox_seconds: how long an event may wait; stuck_deliveries
-- ANSWERS  one row an event that is late, or was delivered so often without effect that it counts as stuck
SELECT CAST(event_id AS text) AS subject
FROM flashsale.outbox
WHERE done_at IS NULL
  AND (CAST(:sale_id AS text) IS NULL OR payload ->> 'sale_id' = :sale_id)
  AND (
    created_at < now() - make_interval(secs => CAST(:outbox_seconds AS double precision))
    OR deliveries >= :stuck_deliveries
  )
