-- TRUTH    nobody buys with a position that the frontier has not passed, or in a sale that has no waiting room
-- PARAMS   sale_id: text, NULL for every sale
-- ANSWERS  one row a reservation made out of turn; the durable frontier trails Redis by about a second, so look again
SELECT CAST(r.reservation_id AS text) AS subject
FROM flashsale.reservations r
LEFT JOIN queueing.rooms q USING (sale_id)
WHERE (CAST(:sale_id AS text) IS NULL OR r.sale_id = :sale_id)
  AND (r.admission_position < 0 OR r.admission_position >= coalesce(q.frontier, 0))
