-- TRUTH    who was told that a reservation is confirmed or released finds it so
-- PARAMS   ends: jsonb array of {reservation_id, what: confirmed or released}
-- ANSWERS  one row a reservation whose end is not what was told; a released one may have been revived by a late payment
SELECT t.what || '/' || t.reservation_id AS subject
FROM jsonb_to_recordset(CAST(:ends AS jsonb)) AS t(reservation_id text, what text)
LEFT JOIN flashsale.reservations r ON CAST(r.reservation_id AS text) = t.reservation_id
WHERE r.state IS DISTINCT FROM t.what
  AND NOT (t.what = 'confirmed' AND EXISTS (
        SELECT FROM flashsale.reservations again WHERE again.regrant_of = r.reservation_id AND again.state = 'confirmed'))
