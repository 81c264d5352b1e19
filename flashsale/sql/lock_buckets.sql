-- Locks the buckets of a batch, in one order for everybody, and reads what a decision about them needs.
-- Parameters: sale_ids, skus, buckets (parallel arrays, each bucket once). Rows: one a bucket that exists, as the last holder of
-- its lock left it. Whoever changes `taken` or `total` holds this lock; what is read after it in the same transaction is
-- final until its end.
SELECT
    buckets.sale_id,
    buckets.sku,
    buckets.bucket,
    items.price_minor,
    buckets.total,
    buckets.taken,
    items.per_user_limit,
    buckets.epoch,
    sales.currency,
    sales.hold_seconds,
    sales.opens_at <= now() AS begun,
    sales.closes_at <= now() AS over,
    sales.opens_at,
    sales.closes_at,
    items.buckets
FROM flashsale.buckets
JOIN unnest(CAST(:sale_ids AS text[]), CAST(:skus AS text[]), CAST(:buckets AS smallint[]))
    AS named (sale_id, sku, bucket) USING (sale_id, sku, bucket)
JOIN flashsale.items USING (sale_id, sku)
JOIN flashsale.sales USING (sale_id)
ORDER BY buckets.sale_id, buckets.sku, buckets.bucket
FOR UPDATE OF buckets
