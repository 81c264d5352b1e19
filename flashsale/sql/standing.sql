-- What those of a batch already have in its sales: the reservations under its keys, and those that hold units.
-- Parameters: sale_ids, user_ids, keys (literals; each asker, sale and key named at least once).
-- Rows: sale_id, user_id, sku, idempotency_key, reservation_id, request_fingerprint, the units it holds. There may be more
-- than were asked for (another asker's key, another sale of the batch). Run under the locks of lock_buckets.
SELECT
    sale_id,
    user_id,
    sku,
    idempotency_key,
    reservation_id,
    request_fingerprint,
    CASE WHEN state IN ('held', 'confirmed') THEN quantity ELSE 0 END AS units
FROM flashsale.reservations
WHERE user_id = ANY(CAST(CAST(:user_ids AS text) AS text[]))
    AND sale_id = ANY(CAST(CAST(:sale_ids AS text) AS text[]))
    -- Of somebody who reserves and releases all day only what counts is read.
    AND (state IN ('held', 'confirmed') OR idempotency_key = ANY(CAST(CAST(:keys AS text) AS text[])))
