-- What those of a batch already have: reservations under the same keys, and units held or bought of the same items.
-- Parameters: sale_ids, skus, user_ids, keys (parallel arrays).
-- Rows (kind, sale_id, user_id, name, reservation_id, request_fingerprint, units): kind 'key' names a key that was
-- used before, kind 'units' a sku of which the user has units. Run under the locks of lock_items.
SELECT
    'key' AS kind,
    reservations.sale_id,
    reservations.user_id,
    reservations.idempotency_key AS name,
    reservations.reservation_id,
    reservations.request_fingerprint,
    0 AS units
FROM flashsale.reservations
JOIN (
    SELECT DISTINCT *
    FROM unnest(CAST(:sale_ids AS text[]), CAST(:user_ids AS text[]), CAST(:keys AS text[]))
        AS named (sale_id, user_id, idempotency_key)
) AS wanted USING (sale_id, user_id, idempotency_key)
UNION ALL
SELECT
    'units',
    reservations.sale_id,
    reservations.user_id,
    reservations.sku,
    NULL,
    NULL,
    sum(reservations.quantity)
FROM flashsale.reservations
JOIN (
    SELECT DISTINCT *
    FROM unnest(CAST(:sale_ids AS text[]), CAST(:skus AS text[]), CAST(:user_ids AS text[]))
        AS named (sale_id, sku, user_id)
) AS wanted USING (sale_id, sku, user_id)
WHERE reservations.state IN ('held', 'confirmed')
GROUP BY reservations.sale_id, reservations.user_id, reservations.sku
