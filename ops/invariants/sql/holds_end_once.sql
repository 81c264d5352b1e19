-- TRUTH    a hold ends once and says how: its state, reason and time agree, and a late payment revives it once
-- PARAMS   sale_id: text, NULL for every sale
-- ANSWERS  one row a reservation that contradicts itself or the hold it was granted again for
SELECT CAST(r.reservation_id AS text) AS subject
FROM flashsale.reservations r
LEFT JOIN flashsale.reservations original ON original.reservation_id = r.regrant_of
WHERE (CAST(:sale_id AS text) IS NULL OR r.sale_id = :sale_id)
  AND NOT (
    CASE r.state
        WHEN 'held' THEN r.end_reason IS NULL AND r.ended_at IS NULL
        WHEN 'confirmed' THEN r.end_reason IN ('paid', 'late_payment') AND r.ended_at IS NOT NULL
        WHEN 'released' THEN r.end_reason = 'by_user' AND r.ended_at IS NOT NULL
        WHEN 'expired' THEN r.end_reason = 'hold_expired' AND r.ended_at IS NOT NULL
        ELSE false
    END IS TRUE
    AND (r.regrant_of IS NULL) = (coalesce(r.end_reason, '') <> 'late_payment')
    AND (r.regrant_of IS NULL OR coalesce(
        original.state IN ('expired', 'released') AND original.user_id = r.user_id
        AND original.sale_id = r.sale_id AND original.sku = r.sku AND original.quantity = r.quantity, false))
    AND (SELECT count(*) FROM flashsale.reservations other WHERE other.regrant_of = r.reservation_id) <= 1
  )
