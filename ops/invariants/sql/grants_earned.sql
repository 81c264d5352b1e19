-- TRUTH    a grant belongs to a confirmed reservation of the same shopper and sale, and its payout agrees with it; only
--          a grant that the budget could not cover has none
-- PARAMS   sale_id: text, NULL for every sale
-- ANSWERS  one row a grant that was not earned, or that nobody will pay, or whose payout says something else
SELECT CAST(g.grant_id AS text) AS subject
FROM rewards.grants g
LEFT JOIN rewards.payouts p USING (grant_id)
LEFT JOIN flashsale.reservations r USING (reservation_id)
WHERE (CAST(:sale_id AS text) IS NULL OR g.sale_id = :sale_id)
  AND NOT (
    coalesce(r.state = 'confirmed' AND r.user_id = g.user_id AND r.sale_id = g.sale_id, false)
    AND (g.state, coalesce(p.state, 'none')) IN (
        ('promised', 'due'), ('paid', 'paid'), ('blocked', 'blocked'), ('blocked', 'none'))
  )
