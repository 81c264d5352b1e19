-- TRUTH    buckets.taken is exactly the sum of held and confirmed units
-- PARAMS   sale_id: text, NULL for every sale
-- ANSWERS  one row a bucket whose counter and rows differ, and one a bucket that is not there and has reservations
SELECT concat_ws('/', coalesce(b.sale_id, r.sale_id), coalesce(b.sku, r.sku), coalesce(b.bucket, r.bucket)) AS subject
FROM flashsale.buckets b
FULL JOIN (
    SELECT sale_id, sku, bucket, sum(quantity) AS units
    FROM flashsale.reservations
    WHERE state IN ('held', 'confirmed')
    GROUP BY sale_id, sku, bucket
) r ON r.sale_id = b.sale_id AND r.sku = b.sku AND r.bucket = b.bucket
WHERE coalesce(b.taken, -1) <> coalesce(r.units, 0)
  AND (CAST(:sale_id AS text) IS NULL OR coalesce(b.sale_id, r.sale_id) = :sale_id)
