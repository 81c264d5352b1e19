-- Ends the holds whose deadline has passed, the longest overdue first, by PostgreSQL's clock.
-- Parameters: batch_max. Rows: reservation_id, sale_id, sku, bucket, user_id, quantity of those ended.
-- A hold that somebody is just paying or releasing is locked, and passed over until the next round.
WITH due AS (
    SELECT reservation_id
    FROM flashsale.reservations
    WHERE state = 'held' AND expires_at <= now()
    ORDER BY expires_at
    LIMIT :batch_max
    FOR UPDATE SKIP LOCKED
)
UPDATE flashsale.reservations
SET state = 'expired', end_reason = 'hold_expired', ended_at = now()
FROM due
WHERE reservations.reservation_id = due.reservation_id AND reservations.state = 'held'
RETURNING
    reservations.reservation_id,
    reservations.sale_id,
    reservations.sku,
    reservations.bucket,
    reservations.user_id,
    reservations.quantity
