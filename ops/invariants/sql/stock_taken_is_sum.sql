-- TRUTH    items.taken is exactly the sum of held and confirmed units
-- PARAMS   sale_id: text, NULL for every sale
-- ANSWERS  one row an item whose counter and rows differ, and one a reservation of an item that is not there
SELECT coalesce(i.sale_id || '/' || i.sku, r.sale_id || '/' || r.sku) AS subject
FROM flashsale.items i
FULL JOIN (
    SELECT sale_id, sku, sum(quantity) AS units
    FROM flashsale.reservations
    WHERE state IN ('held', 'confirmed')
    GROUP BY sale_id, sku
) r ON r.sale_id = i.sale_id AND r.sku = i.sku
WHERE coalesce(i.taken, -1) <> coalesce(r.units, 0)
  AND (CAST(:sale_id AS text) IS NULL OR coalesce(i.sale_id, r.sale_id) = :sale_id)
