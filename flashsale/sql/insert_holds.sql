-- Writes the granted holds of a batch and counts their units as taken, or neither for a bucket that has not so many: its
-- holds are missing in the count that is returned, and the caller must not commit.
-- Parameters: place_sale_ids, place_skus, place_buckets, place_units (parallel literals, one element a bucket); the others are
-- parallel literals of one element a hold, `places` saying which bucket it is of, from 1. Run under the locks of lock_buckets.
-- Rows: one, the number of holds written and the instant from which they are held.
-- A key that was used meanwhile (the same one for another item, in a batch that holds other locks) fails the statement:
-- reading again shows it. To pass over it here would look up every key a second time, a fifth of the statement's cost.
WITH named AS (
    SELECT * FROM unnest(
        CAST(CAST(:place_sale_ids AS text) AS text[]), CAST(CAST(:place_skus AS text) AS text[]),
        CAST(CAST(:place_buckets AS text) AS smallint[]), CAST(CAST(:place_units AS text) AS bigint[])
    ) WITH ORDINALITY AS bucket (sale_id, sku, bucket, units, place)
),
taken AS (
    UPDATE flashsale.buckets
    SET taken = buckets.taken + named.units
    FROM named JOIN flashsale.items USING (sale_id, sku)
    WHERE buckets.sale_id = named.sale_id
        AND buckets.sku = named.sku
        AND buckets.bucket = named.bucket
        AND buckets.taken + named.units <= buckets.total
    RETURNING named.place, buckets.sale_id, buckets.sku, buckets.bucket, items.price_minor, buckets.epoch
),
written AS (
    INSERT INTO flashsale.reservations (
        reservation_id, sale_id, sku, bucket, user_id, quantity, amount_minor, currency, state, held_at, expires_at,
        idempotency_key, request_fingerprint, admission_id, admission_position, epoch, phone
    )
    SELECT
        granted.reservation_id, taken.sale_id, taken.sku, taken.bucket, granted.user_id, granted.quantity,
        taken.price_minor * granted.quantity, sales.currency, 'held', statement_timestamp(),
        statement_timestamp() + make_interval(secs => sales.hold_seconds), granted.idempotency_key,
        decode(granted.fingerprint, 'hex'), granted.admission_id, granted.admission_position, taken.epoch, granted.phone
    FROM unnest(
        CAST(CAST(:places AS text) AS bigint[]), CAST(CAST(:reservation_ids AS text) AS uuid[]),
        CAST(CAST(:user_ids AS text) AS text[]), CAST(CAST(:quantities AS text) AS integer[]),
        CAST(CAST(:keys AS text) AS text[]), CAST(CAST(:fingerprints AS text) AS text[]),
        CAST(CAST(:admission_ids AS text) AS uuid[]), CAST(CAST(:admission_positions AS text) AS bigint[]),
        CAST(CAST(:phones AS text) AS text[])
    ) AS granted (
        place, reservation_id, user_id, quantity, idempotency_key, fingerprint, admission_id,
        admission_position, phone
    )
    JOIN taken USING (place)
    JOIN flashsale.sales USING (sale_id)
    RETURNING 1
)
SELECT count(*) AS holds, statement_timestamp() AS held_at FROM written
