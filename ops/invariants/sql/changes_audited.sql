-- TRUTH    every change of a sale by staff has an audit row that says who changed it and to which revision
-- PARAMS   sale_id: text, NULL for every sale
-- ANSWERS  one row a revision of a sale that nobody has signed
SELECT s.sale_id || '/revision/' || made.number AS subject
FROM flashsale.sales s
CROSS JOIN LATERAL generate_series(1, s.revision) AS made(number)
LEFT JOIN ops.audit a
    ON a.action = 'sale_applied' AND a.subject = 'sale/' || s.sale_id AND a.actor <> ''
    AND CAST(a.details ->> 'revision' AS integer) = made.number
WHERE (CAST(:sale_id AS text) IS NULL OR s.sale_id = :sale_id)
GROUP BY s.sale_id, made.number
HAVING count(a.entry_id) = 0
