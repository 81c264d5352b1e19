-- TRUTH    a confirmed reservation has exactly one outbox event, and nothing else has one
-- PARAMS   sale_id: text, NULL for every sale
-- ANSWERS  one row a reservation with no event, with several, or with one it has not earned
SELECT coalesce(CAST(r.reservation_id AS text), e.reservation_id) AS subject
FROM (
    SELECT reservation_id FROM flashsale.reservations
    WHERE state = 'confirmed' AND (CAST(:sale_id AS text) IS NULL OR sale_id = :sale_id)
) r
FULL JOIN (
    SELECT payload ->> 'reservation_id' AS reservation_id, count(*) AS events
    FROM flashsale.outbox
    WHERE kind = 'reservation_confirmed'
      AND (CAST(:sale_id AS text) IS NULL OR payload ->> 'sale_id' = :sale_id)
    GROUP BY 1
) e ON e.reservation_id = CAST(r.reservation_id AS text)
WHERE r.reservation_id IS NULL OR coalesce(e.events, 0) <> 1
