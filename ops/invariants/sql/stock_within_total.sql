-- TRUTH    held + confirmed units of an item never exceed its stock, whatever the counters say
-- PARAMS   sale_id: text, NULL for every sale
-- ANSWERS  one row an oversold item
SELECT i.sale_id || '/' || i.sku AS subject
FROM flashsale.items i
JOIN flashsale.reservations r USING (sale_id, sku)
WHERE r.state IN ('held', 'confirmed')
  AND (CAST(:sale_id AS text) IS NULL OR i.sale_id = :sale_id)
GROUP BY i.sale_id, i.sku, i.total
HAVING sum(r.quantity) > i.total
