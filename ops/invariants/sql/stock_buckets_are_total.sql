-- TRUTH    the buckets of an item have together exactly its approved stock: lending moves units and makes none
-- PARAMS   sale_id: text, NULL for every sale
-- ANSWERS  one row an item whose buckets have more or less than it, or are more or fewer than it says
SELECT i.sale_id || '/' || i.sku AS subject
FROM flashsale.items i
LEFT JOIN flashsale.buckets b ON b.sale_id = i.sale_id AND b.sku = i.sku
WHERE CAST(:sale_id AS text) IS NULL OR i.sale_id = :sale_id
GROUP BY i.sale_id, i.sku, i.total, i.buckets
HAVING coalesce(sum(b.total), 0) <> i.total OR count(b.bucket) <> i.buckets
