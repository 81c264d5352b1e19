-- TRUTH    a grant has at most one effect in the provider's own book: nobody is paid twice
-- PARAMS   sale_id: text, NULL for every sale; book: jsonb array of {kind, key, user_id, amount_minor, currency}
-- ANSWERS  one row a grant that was paid more than once
SELECT CAST(g.grant_id AS text) AS subject
FROM jsonb_to_recordset(CAST(:book AS jsonb)) AS b(kind text, key text)
JOIN rewards.attempts a ON a.provider_key = b.key
JOIN rewards.payouts p USING (payout_id)
JOIN rewards.grants g USING (grant_id)
WHERE b.kind = 'payout'
  AND (CAST(:sale_id AS text) IS NULL OR g.sale_id = :sale_id)
GROUP BY g.grant_id
HAVING count(*) > 1
