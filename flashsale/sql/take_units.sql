-- Takes units of buckets in the ledger, never more than there are: a bucket that cannot give them is not returned.
-- Parameters: sale_ids, skus, buckets, units (parallel arrays, each bucket once). Rows: sale_id, sku, bucket, epoch.
UPDATE flashsale.buckets
SET taken = buckets.taken + wanted.units
FROM unnest(
    CAST(:sale_ids AS text[]), CAST(:skus AS text[]), CAST(:buckets AS smallint[]), CAST(:units AS bigint[])
) AS wanted (sale_id, sku, bucket, units)
WHERE buckets.sale_id = wanted.sale_id
    AND buckets.sku = wanted.sku
    AND buckets.bucket = wanted.bucket
    AND buckets.taken + wanted.units <= buckets.total
RETURNING buckets.sale_id, buckets.sku, buckets.bucket, buckets.epoch
