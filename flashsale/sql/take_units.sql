-- Takes units of items in the ledger, never more than there are: an item that cannot give them is not returned.
-- Parameters: sale_ids, skus, units (parallel arrays, each item once). Rows: sale_id, sku, epoch.
UPDATE flashsale.items
SET taken = items.taken + wanted.units
FROM unnest(CAST(:sale_ids AS text[]), CAST(:skus AS text[]), CAST(:units AS bigint[]))
    AS wanted (sale_id, sku, units)
WHERE items.sale_id = wanted.sale_id
    AND items.sku = wanted.sku
    AND items.taken + wanted.units <= items.total
RETURNING items.sale_id, items.sku, items.epoch
