-- TRUTH    a confirmed reservation that costs something has exactly one charge in the provider's book that was not
--          given back, of exactly its amount
-- PARAMS   sale_id: text, NULL for every sale; book: jsonb array of {kind, key, user_id, amount_minor, currency}
-- ANSWERS  one row a reservation with no standing charge, with several, or with one of another amount
WITH book AS (
    SELECT kind, key, amount_minor, currency
    FROM jsonb_to_recordset(CAST(:book AS jsonb)) AS b(kind text, key text, amount_minor bigint, currency text)
), standing AS (
    SELECT p.serves AS reservation_id, c.amount_minor, c.currency
    FROM book c
    JOIN flashsale.payments p ON CAST(p.payment_id AS text) = c.key
    WHERE c.kind = 'payment'
      AND NOT EXISTS (SELECT FROM book r WHERE r.kind = 'refund' AND r.key = c.key)
)
SELECT CAST(r.reservation_id AS text) AS subject
FROM flashsale.reservations r
LEFT JOIN standing s USING (reservation_id)
WHERE r.state = 'confirmed'
  AND (r.amount_minor > 0 OR s.reservation_id IS NOT NULL)
  AND (CAST(:sale_id AS text) IS NULL OR r.sale_id = :sale_id)
GROUP BY r.reservation_id, r.amount_minor, r.currency
HAVING count(s.reservation_id) <> 1
    OR min(s.amount_minor) <> r.amount_minor
    OR min(s.currency) <> r.currency
