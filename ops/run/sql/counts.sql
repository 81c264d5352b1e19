-- Where a sale stands, in one statement and so at one instant.
-- PARAMS   sale_id: text
-- ANSWERS  one row: units held and confirmed; and what is still on its way: holds, refunds, events, payouts
SELECT
    (SELECT coalesce(sum(quantity), 0) FROM flashsale.reservations
     WHERE sale_id = :sale_id AND state = 'held') AS units_held,
    (SELECT coalesce(sum(quantity), 0) FROM flashsale.reservations
     WHERE sale_id = :sale_id AND state = 'confirmed') AS units_confirmed,
    (SELECT count(*) FROM flashsale.reservations
     WHERE sale_id = :sale_id AND state = 'held') AS holds,
    (SELECT count(*) FROM flashsale.payments p JOIN flashsale.reservations r USING (reservation_id)
     WHERE r.sale_id = :sale_id AND p.state = 'refund_due') AS refunds,
    (SELECT count(*) FROM flashsale.outbox
     WHERE done_at IS NULL AND payload ->> 'sale_id' = :sale_id) AS events,
    (SELECT count(*) FROM rewards.payouts o JOIN rewards.grants g USING (grant_id)
     WHERE g.sale_id = :sale_id AND o.state = 'due') AS payouts
