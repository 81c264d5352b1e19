-- TRUTH    no user holds or owns more units of an item than its per-user limit
-- PARAMS   sale_id: text, NULL for every sale
-- ANSWERS  one row a user and item over the limit, named by its oldest reservation (user ids may be phone numbers)
SELECT CAST((array_agg(r.reservation_id ORDER BY r.held_at))[1] AS text) AS subject
FROM flashsale.reservations r
JOIN flashsale.items i USING (sale_id, sku)
WHERE r.state IN ('held', 'confirmed')
  AND (CAST(:sale_id AS text) IS NULL OR r.sale_id = :sale_id)
GROUP BY r.sale_id, r.sku, r.user_id, i.per_user_limit
HAVING sum(r.quantity) > i.per_user_limit
