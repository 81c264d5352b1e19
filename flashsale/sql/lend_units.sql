-- Moves free units from buckets of an item to another one of it. A lender gives only what is free, and only under the epoch
-- that the loan was planned for: a load since then has counted the units as the lender's own.
-- Parameters: sale_id, sku, home; lenders, units, epochs (parallel arrays, each lender once); epoch_step, 1 where Redis was
-- not lowered first: it is fenced, and loaded anew. Run under the locks of lock_buckets, of all that are named.
-- Rows: the units moved and the epoch of the bucket they moved to; none where no lender gave any.
WITH given AS (
    UPDATE flashsale.buckets
    SET total = buckets.total - loan.units, epoch = buckets.epoch + :epoch_step
    FROM unnest(
        CAST(:lenders AS smallint[]), CAST(:units AS bigint[]), CAST(:epochs AS bigint[])
    ) AS loan (bucket, units, epoch)
    WHERE buckets.sale_id = :sale_id
        AND buckets.sku = :sku
        AND buckets.bucket = loan.bucket
        AND buckets.epoch = loan.epoch
        AND buckets.taken <= buckets.total - loan.units
    RETURNING loan.units
)
UPDATE flashsale.buckets
SET total = total + (SELECT sum(units) FROM given), epoch = epoch + :epoch_step
WHERE sale_id = :sale_id AND sku = :sku AND bucket = :home AND EXISTS (SELECT FROM given)
RETURNING CAST((SELECT sum(units) FROM given) AS bigint) AS units, epoch
