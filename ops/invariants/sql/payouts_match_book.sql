-- TRUTH    our attempts and the provider's book tell the same story: paid means one effect, declined means none, and
--          no effect is unknown to us, to another person or of another amount
-- PARAMS   sale_id: text, NULL for every sale; book: jsonb array of {kind, key, user_id, amount_minor, currency, at}
-- ANSWERS  one row an attempt, a paid grant or an effect that contradicts the other side; an effect that is unknown to
--          us belongs to no sale and is named whichever is judged, unless it is older than what is judged
WITH effects AS (
    SELECT * FROM jsonb_to_recordset(CAST(:book AS jsonb))
        AS b(kind text, key text, user_id text, amount_minor bigint, currency text, at timestamptz)
    WHERE kind = 'payout'
), tries AS (
    SELECT a.provider_key, a.outcome, g.grant_id, g.state, g.user_id, g.amount_minor, g.currency
    FROM rewards.attempts a
    JOIN rewards.payouts p USING (payout_id)
    JOIN rewards.grants g USING (grant_id)
    WHERE CAST(:sale_id AS text) IS NULL OR g.sale_id = :sale_id
)
SELECT 'attempt/' || t.provider_key AS subject
FROM tries t
LEFT JOIN effects e ON e.key = t.provider_key
WHERE t.outcome = 'paid' AND e.key IS NULL
   OR t.outcome = 'declined' AND e.key IS NOT NULL
   OR e.key IS NOT NULL AND (e.user_id, e.amount_minor, e.currency) <> (t.user_id, t.amount_minor, t.currency)
UNION ALL
SELECT 'grant/' || g.grant_id
FROM rewards.grants g
WHERE g.state = 'paid'
  AND (CAST(:sale_id AS text) IS NULL OR g.sale_id = :sale_id)
  AND NOT EXISTS (SELECT FROM tries t JOIN effects e ON e.key = t.provider_key WHERE t.grant_id = g.grant_id)
UNION ALL
SELECT 'effect/' || e.key
FROM effects e
WHERE NOT EXISTS (SELECT FROM rewards.attempts a WHERE a.provider_key = e.key)
  AND e.at >= (SELECT min(applied_at) FROM flashsale.sales
               WHERE CAST(:sale_id AS text) IS NULL OR sale_id = :sale_id)
