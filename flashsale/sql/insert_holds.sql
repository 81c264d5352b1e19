-- Writes the granted holds of a batch. A key that another batch has written meanwhile (the same key for another item)
-- is passed over and not returned: its caller is answered from the row that was first.
-- Parameters: parallel arrays, one element a hold. Rows: reservation_id, held_at, expires_at of those written.
INSERT INTO flashsale.reservations (
    reservation_id, sale_id, sku, user_id, quantity, amount_minor, currency, state, held_at, expires_at,
    idempotency_key, request_fingerprint, admission_id, admission_position, epoch, phone
)
SELECT
    reservation_id, sale_id, sku, user_id, quantity, amount_minor, currency, 'held', statement_timestamp(),
    statement_timestamp() + make_interval(secs => hold_seconds),
    idempotency_key, request_fingerprint, admission_id, admission_position, epoch, phone
FROM unnest(
    CAST(:reservation_ids AS uuid[]), CAST(:sale_ids AS text[]), CAST(:skus AS text[]), CAST(:user_ids AS text[]),
    CAST(:quantities AS integer[]), CAST(:amounts_minor AS bigint[]), CAST(:currencies AS text[]),
    CAST(:hold_seconds AS integer[]), CAST(:keys AS text[]), CAST(:fingerprints AS bytea[]),
    CAST(:admission_ids AS uuid[]), CAST(:admission_positions AS bigint[]), CAST(:epochs AS bigint[]),
    CAST(:phones AS text[])
) AS granted (
    reservation_id, sale_id, sku, user_id, quantity, amount_minor, currency, hold_seconds, idempotency_key,
    request_fingerprint, admission_id, admission_position, epoch, phone
)
ON CONFLICT (sale_id, user_id, idempotency_key) DO NOTHING
RETURNING reservation_id, held_at, expires_at
