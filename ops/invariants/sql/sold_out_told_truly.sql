-- TRUTH    nobody is told sold_out while enough units lay free for longer than the views may trail
-- PARAMS   sale_id: text; refusals: jsonb array of {sku, quantity, at: epoch seconds, line}; trail_seconds: how far a
--          sold-out mark, a pending claim or a repair may trail behind the ledger
-- ANSWERS  one row a refusal around which the item never had fewer free units than were asked for. Judged for sales
--          whose stock was never changed: of what it was before, no record says.
WITH refusals AS (
    SELECT line, quantity, i.sale_id, i.sku, i.total,
           to_timestamp(at) - make_interval(secs => CAST(:trail_seconds AS double precision)) AS since,
           to_timestamp(at) + make_interval(secs => CAST(:trail_seconds AS double precision)) AS until
    FROM jsonb_to_recordset(CAST(:refusals AS jsonb)) AS r(line int, sku text, quantity int, at double precision)
    JOIN flashsale.items i ON i.sku = r.sku AND i.sale_id = :sale_id
    JOIN flashsale.sales s ON s.sale_id = i.sale_id AND s.revision = 1
)
SELECT 'line/' || f.line AS subject
FROM refusals f
WHERE f.total - (
    -- Units that were taken at some instant of the window: an upper bound of the most that were taken at once, so a
    -- refusal that any instant could justify is never called untrue.
    SELECT coalesce(sum(r.quantity), 0)
    FROM flashsale.reservations r
    WHERE r.sale_id = f.sale_id AND r.sku = f.sku
      AND r.held_at <= f.until
      AND (r.state IN ('held', 'confirmed') OR r.ended_at >= f.since)
) >= f.quantity
