-- Ends the holds whose deadline has passed, the longest overdue first, by PostgreSQL's clock.
-- Parameters: batch_max. Rows: reservation_id, sale_id, sku, bucket, user_id, quantity of those ended.
-- A hold that somebody is just paying or releasing is locked, and passed over until the next round. So is one whose bucket
-- does not count as many units as taken: its books are broken, which the judge tells of, and returning its units would fail
-- the batch, and with it the holds of every other item. In sound books `taken` covers every hold that the snapshot shows.
WITH due AS (
    SELECT
        reservations.reservation_id,
        buckets.taken,
        reservations.quantity,
        reservations.expires_at,
        buckets.sale_id,
        buckets.sku,
        buckets.bucket
    FROM flashsale.reservations
    JOIN flashsale.buckets USING (sale_id, sku, bucket)
    WHERE
        reservations.state = 'held' AND reservations.expires_at <= now() AND reservations.quantity <= buckets.taken
    ORDER BY reservations.expires_at
    LIMIT :batch_max
    FOR UPDATE OF reservations SKIP LOCKED
),

counted AS (
    SELECT
        reservation_id,
        taken,
        sum(quantity) OVER (PARTITION BY sale_id, sku, bucket ORDER BY expires_at, reservation_id) AS units
    FROM due
)

UPDATE flashsale.reservations
SET state = 'expired', end_reason = 'hold_expired', ended_at = now()
FROM counted
WHERE
    reservations.reservation_id = counted.reservation_id
    AND counted.units <= counted.taken
    AND reservations.state = 'held'
RETURNING
    reservations.reservation_id,
    reservations.sale_id,
    reservations.sku,
    reservations.bucket,
    reservations.user_id,
    reservations.quantity
