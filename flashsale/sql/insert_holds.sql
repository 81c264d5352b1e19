-- Writes the granted holds of a batch. A key that another batch has written meanwhile (the same key for another item)
-- is passed over and not returned: its caller is answered from the row that was first.
-- Parameters: parallel arrays, one element a hold; price, currency, hold and epoch are those of the items, which are
-- locked. Rows: reservation_id, held_at, expires_at of those written.
-- The arrays are texts, which the driver writes as they are; of others it asks each element whether it is an array.
INSERT INTO flashsale.reservations (
    reservation_id, sale_id, sku, user_id, quantity, amount_minor, currency, state, held_at, expires_at,
    idempotency_key, request_fingerprint, admission_id, admission_position, epoch, phone
)
SELECT
    granted.reservation_id, sale_id, sku, granted.user_id, granted.quantity, items.price_minor * granted.quantity,
    sales.currency, 'held', statement_timestamp(),
    statement_timestamp() + make_interval(secs => sales.hold_seconds),
    granted.idempotency_key, granted.request_fingerprint, granted.admission_id, granted.admission_position,
    items.epoch, granted.phone
FROM unnest(
    CAST(CAST(:reservation_ids AS text[]) AS uuid[]), CAST(:sale_ids AS text[]), CAST(:skus AS text[]),
    CAST(:user_ids AS text[]), CAST(CAST(:quantities AS text[]) AS integer[]), CAST(:keys AS text[]),
    CAST(:fingerprints AS bytea[]), CAST(CAST(:admission_ids AS text[]) AS uuid[]),
    CAST(CAST(:admission_positions AS text[]) AS bigint[]), CAST(:phones AS text[])
) AS granted (
    reservation_id, sale_id, sku, user_id, quantity, idempotency_key, request_fingerprint, admission_id,
    admission_position, phone
)
JOIN flashsale.items USING (sale_id, sku)
JOIN flashsale.sales USING (sale_id)
ON CONFLICT (sale_id, user_id, idempotency_key) DO NOTHING
RETURNING reservation_id, held_at, expires_at
