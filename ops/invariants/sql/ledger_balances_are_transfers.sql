-- TRUTH    a balance is what its transfers make it: credits less debits, in the account's own currency
-- PARAMS   sale_id: text, NULL for every sale (an account is named kind/sale/rule)
-- ANSWERS  one row an account whose balance differs, is missing, or was moved in a foreign currency
WITH moves AS (
    SELECT credit_account AS account_id, amount_minor, currency FROM rewards.transfers
    UNION ALL
    SELECT debit_account, -amount_minor, currency FROM rewards.transfers
), sums AS (
    SELECT account_id, sum(amount_minor) AS moved, min(currency) AS lowest, max(currency) AS highest
    FROM moves GROUP BY account_id
)
SELECT coalesce(a.account_id, s.account_id) AS subject
FROM rewards.accounts a
FULL JOIN sums s USING (account_id)
WHERE (CAST(:sale_id AS text) IS NULL OR split_part(coalesce(a.account_id, s.account_id), '/', 2) = :sale_id)
  AND (
    a.account_id IS NULL
    OR a.balance_minor <> coalesce(s.moved, 0)
    OR coalesce(s.lowest, a.currency) <> a.currency
    OR coalesce(s.highest, a.currency) <> a.currency
  )
