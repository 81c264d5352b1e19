-- What is free in each bucket of an item, by the ledger, without a lock: good for planning a loan, not for granting it.
-- Parameters: sale_id, sku. Rows: bucket, units free, epoch.
SELECT bucket, total - taken AS units, epoch
FROM flashsale.buckets
WHERE sale_id = :sale_id AND sku = :sku
ORDER BY bucket
