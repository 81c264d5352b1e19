-- TRUTH    every acknowledged reservation is readable, as it was told
-- PARAMS   told: jsonb array of {reservation_id, user_id, sku, quantity} from answers that acknowledged a reservation
-- ANSWERS  one row an acknowledged reservation that is lost, another person's, or another thing
SELECT t.reservation_id AS subject
FROM jsonb_to_recordset(CAST(:told AS jsonb)) AS t(reservation_id text, user_id text, sku text, quantity int)
LEFT JOIN flashsale.reservations r ON CAST(r.reservation_id AS text) = t.reservation_id
WHERE r.reservation_id IS NULL
   OR r.user_id <> t.user_id
   OR r.sku <> coalesce(t.sku, r.sku)
   OR r.quantity <> coalesce(t.quantity, r.quantity)
