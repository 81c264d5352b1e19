-- TRUTH    money that has come serves exactly one confirmed reservation or goes back: never both, and neither only where
--          people have been called; and nothing is confirmed that nobody's money serves
-- PARAMS   sale_id: text, NULL for every sale
-- ANSWERS  one row a payment that is in limbo, serves what it did not pay for, or serves and goes back; and one a
--          confirmed reservation that no payment serves, or several. What costs nothing has a payment, too.
WITH ours AS (
    SELECT p.payment_id, p.state, p.reason, p.paid_at, p.serves,
           coalesce(s.state = 'confirmed' AND p.reservation_id IN (s.reservation_id, s.regrant_of), false) AS serving
    FROM flashsale.payments p
    LEFT JOIN flashsale.reservations o ON o.reservation_id = p.reservation_id
    LEFT JOIN flashsale.reservations s ON s.reservation_id = p.serves
    WHERE CAST(:sale_id AS text) IS NULL OR o.sale_id = :sale_id
)
SELECT 'payment/' || payment_id AS subject
FROM ours
WHERE state = 'paid' AND (NOT serving OR paid_at IS NULL)
   OR state <> 'paid' AND serves IS NOT NULL
   OR state IN ('created', 'refused') AND coalesce(reason, '') <> 'payment_needs_people' AND (
        paid_at IS NOT NULL
        OR payment_id IN (SELECT n.payment_id FROM flashsale.payment_notices n WHERE n.kind = 'payment.succeeded')
   )
UNION ALL
SELECT 'reservation/' || r.reservation_id
FROM flashsale.reservations r
LEFT JOIN flashsale.payments p ON p.serves = r.reservation_id AND p.state = 'paid'
WHERE r.state = 'confirmed'
  AND (CAST(:sale_id AS text) IS NULL OR r.sale_id = :sale_id)
GROUP BY r.reservation_id
HAVING count(p.payment_id) <> 1
