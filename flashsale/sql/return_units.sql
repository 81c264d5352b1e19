-- Returns units of ended holds to the ledger. Run under the locks of lock_items.
-- Parameters: sale_ids, skus, units (parallel arrays, each item once). Rows: sale_id, sku, epoch.
UPDATE flashsale.items
SET taken = items.taken - ended.units
FROM unnest(CAST(:sale_ids AS text[]), CAST(:skus AS text[]), CAST(:units AS bigint[]))
    AS ended (sale_id, sku, units)
WHERE items.sale_id = ended.sale_id AND items.sku = ended.sku
RETURNING items.sale_id, items.sku, items.epoch
