-- Locks the items of a batch, in one order for everybody, and reads what a decision about them needs.
-- Parameters: sale_ids, skus (parallel arrays, each item once). Rows: one an item that exists, as the last holder of its lock left it.
-- Whoever changes `taken` holds this lock; what is read after it in the same transaction is final until its end.
SELECT
    items.sale_id,
    items.sku,
    items.price_minor,
    items.total,
    items.taken,
    items.per_user_limit,
    items.epoch,
    sales.currency,
    sales.hold_seconds,
    sales.opens_at <= now() AS begun,
    sales.closes_at <= now() AS over,
    sales.opens_at,
    sales.closes_at
FROM flashsale.items
JOIN flashsale.sales USING (sale_id)
JOIN unnest(CAST(:sale_ids AS text[]), CAST(:skus AS text[])) AS named (sale_id, sku) USING (sale_id, sku)
ORDER BY items.sale_id, items.sku
FOR UPDATE OF items
