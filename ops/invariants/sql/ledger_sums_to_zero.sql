-- TRUTH    money is only moved, never made: the balances of a currency sum to zero
-- PARAMS   sale_id: text, NULL for every sale (an account is named kind/sale/rule)
-- ANSWERS  one row a currency that does not sum to zero
SELECT currency AS subject
FROM rewards.accounts
WHERE (CAST(:sale_id AS text) IS NULL OR split_part(account_id, '/', 2) = :sale_id)
GROUP BY currency
HAVING sum(balance_minor) <> 0
