-- TRUTH    a hold past its deadline is ended soon; otherwise units lie idle while shoppers are told that all is gone
-- PARAMS   sale_id: text, NULL for every sale; overdue_seconds: how late the keeper may be
-- ANSWERS  one row a hold that is overdue
SELECT CAST(reservation_id AS text) AS subject
FROM flashsale.reservations
WHERE state = 'held'
  AND expires_at < now() - make_interval(secs => CAST(:overdue_seconds AS double precision))
  AND (CAST(:sale_id AS text) IS NULL OR sale_id = :sale_id)
