-- Returns units of ended holds to the ledger. Run under the locks of lock_buckets.
-- Parameters: sale_ids, skus, buckets, units (parallel arrays, each bucket once). Rows: sale_id, sku, bucket, epoch.
UPDATE flashsale.buckets
SET taken = buckets.taken - ended.units
FROM unnest(
    CAST(:sale_ids AS text[]), CAST(:skus AS text[]), CAST(:buckets AS smallint[]), CAST(:units AS bigint[])
) AS ended (sale_id, sku, bucket, units)
WHERE buckets.sale_id = ended.sale_id AND buckets.sku = ended.sku AND buckets.bucket = ended.bucket
RETURNING buckets.sale_id, buckets.sku, buckets.bucket, buckets.epoch
