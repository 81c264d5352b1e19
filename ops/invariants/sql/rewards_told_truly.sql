-- TRUTH    who was told that a reward was sent has it, once, in the provider's own book
-- PARAMS   rewarded: jsonb array of {grant_id, user_id}; book: jsonb array of {kind, key}
-- ANSWERS  one row a reward that was told and is not paid, is another person's, or has not exactly one effect
SELECT t.grant_id AS subject
FROM (SELECT DISTINCT grant_id, user_id
      FROM jsonb_to_recordset(CAST(:rewarded AS jsonb)) AS r(grant_id text, user_id text)) t
LEFT JOIN rewards.grants g ON CAST(g.grant_id AS text) = t.grant_id
WHERE g.grant_id IS NULL
   OR g.user_id <> t.user_id
   OR g.state <> 'paid'
   OR (SELECT count(*)
       FROM rewards.payouts p
       JOIN rewards.attempts a USING (payout_id)
       JOIN jsonb_to_recordset(CAST(:book AS jsonb)) AS b(kind text, key text) ON b.key = a.provider_key
       WHERE p.grant_id = g.grant_id AND b.kind = 'payout') <> 1
