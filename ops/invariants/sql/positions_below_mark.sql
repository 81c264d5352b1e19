-- TRUTH    no position is handed out at or above the durable mark, so a loss of Redis gives no number twice
-- PARAMS   sale_id: text, NULL for every sale
-- ANSWERS  one row a reservation whose position lies beyond the mark, and one a room whose frontier does
SELECT CAST(r.reservation_id AS text) AS subject
FROM flashsale.reservations r
JOIN queueing.rooms q USING (sale_id)
WHERE r.admission_position >= q.position_mark
  AND (CAST(:sale_id AS text) IS NULL OR r.sale_id = :sale_id)
