-- TRUTH    the ledger only grows: the trigger that refuses UPDATE, DELETE and TRUNCATE is there and on
-- PARAMS   none
-- ANSWERS  one row while the guard is missing, off, or does not cover all three
SELECT 'rewards.transfers' AS subject
WHERE NOT EXISTS (
    SELECT FROM pg_trigger
    WHERE tgrelid = 'rewards.transfers'::regclass AND tgname = 'append_only' AND tgenabled IN ('O', 'A')
      -- pg_trigger.tgtype: 2 before, 8 delete, 16 update, 32 truncate
      AND tgtype & 58 = 58
)
