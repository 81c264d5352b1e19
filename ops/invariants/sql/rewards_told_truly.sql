-- TRUTH    who was told that a reward was sent has it, once, in the provider's own book
-- PARAMS   rewarded: jsonb array of {grant_id, user_id}; book: jsonb array of {kind, key}
-- ANSWERS  one row a reward that was told and is not paid, is another person's, or has not exactly one effect
WITH told AS (
    SELECT DISTINCT grant_id, user_id
    FROM jsonb_to_recordset(CAST(:rewarded AS jsonb)) AS r(grant_id text, user_id text)
), effects AS (
    SELECT p.grant_id, count(*) AS times
    FROM jsonb_to_recordset(CAST(:book AS jsonb)) AS b(kind text, key text)
    JOIN rewards.attempts a ON a.provider_key = b.key
    JOIN rewards.payouts p USING (payout_id)
    WHERE b.kind = 'payout'
    GROUP BY p.grant_id
)
SELECT t.grant_id AS subject
FROM told t
LEFT JOIN rewards.grants g ON CAST(g.grant_id AS text) = t.grant_id
LEFT JOIN effects e ON e.grant_id = g.grant_id
WHERE g.grant_id IS NULL
   OR g.user_id <> t.user_id
   OR g.state <> 'paid'
   OR coalesce(e.times, 0) <> 1
