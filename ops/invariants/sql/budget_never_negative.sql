-- TRUTH    a budget is never overdrawn, and a rule grants no more often than it may
-- PARAMS   sale_id: text, NULL for every sale (an account is named kind/sale/rule)
-- ANSWERS  one row an account below zero (funding apart: it is where money comes from), and one a rule over its bound
SELECT account_id AS subject
FROM rewards.accounts
WHERE kind <> 'funding' AND balance_minor < 0
  AND (CAST(:sale_id AS text) IS NULL OR split_part(account_id, '/', 2) = :sale_id)
UNION ALL
SELECT r.sale_id || '/' || r.rule_id
FROM rewards.rules r
LEFT JOIN (SELECT sale_id, rule_id, count(*) AS made, sum(amount_minor) FILTER (WHERE state <> 'blocked') AS promised_minor
           FROM rewards.grants GROUP BY sale_id, rule_id) g USING (sale_id, rule_id)
WHERE (CAST(:sale_id AS text) IS NULL OR r.sale_id = :sale_id)
  AND (coalesce(g.made, 0) > coalesce(r.first_n, coalesce(g.made, 0))
       OR coalesce(g.promised_minor, 0) > r.budget_minor
       OR r.granted <> coalesce(g.made, 0))
