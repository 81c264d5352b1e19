-- TRUTH    what staff looked up or changed has an audit row that says who, what and when
-- PARAMS   audit_ids: uuid array, the audit ids that answers of the desk carried
-- ANSWERS  one row an answer without its audit row, and one an entry that does not say who or about whom
SELECT CAST(told.entry_id AS text) AS subject
FROM unnest(CAST(:audit_ids AS uuid[])) AS told(entry_id)
LEFT JOIN ops.audit a USING (entry_id)
WHERE a.entry_id IS NULL
UNION ALL
SELECT CAST(entry_id AS text)
FROM ops.audit
WHERE actor = '' OR action = '' OR subject = ''
