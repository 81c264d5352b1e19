-- TRUTH    every reservation names a real admission, inside the window of its sale
-- PARAMS   sale_id: text, NULL for every sale
-- ANSWERS  one row a reservation with the nil admission, or held before its sale opened or after it closed
SELECT CAST(r.reservation_id AS text) AS subject
FROM flashsale.reservations r
LEFT JOIN flashsale.sales s USING (sale_id)
WHERE (CAST(:sale_id AS text) IS NULL OR r.sale_id = :sale_id)
  AND (
    r.admission_id IS NULL
    OR r.admission_id = '00000000-0000-0000-0000-000000000000'
    OR s.sale_id IS NULL
    OR r.regrant_of IS NULL AND r.held_at NOT BETWEEN s.opens_at AND s.closes_at + interval '5 seconds'
  )
