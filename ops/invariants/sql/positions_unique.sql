-- TRUTH    a position belongs to one shopper, an admission to one position
-- PARAMS   sale_id: text, NULL for every sale
-- ANSWERS  one row a position that two users bought with, and one an admission that two users or positions share
SELECT sale_id || '/position/' || admission_position AS subject
FROM flashsale.reservations
WHERE (CAST(:sale_id AS text) IS NULL OR sale_id = :sale_id)
GROUP BY sale_id, admission_position
HAVING count(DISTINCT user_id) > 1
UNION ALL
SELECT 'admission/' || admission_id
FROM flashsale.reservations
WHERE (CAST(:sale_id AS text) IS NULL OR sale_id = :sale_id)
GROUP BY admission_id
HAVING count(DISTINCT user_id) > 1 OR count(DISTINCT admission_position) > 1 OR count(DISTINCT sale_id) > 1
