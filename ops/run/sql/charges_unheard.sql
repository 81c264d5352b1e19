-- How many charges of a sale the provider has made and its notice has not told us of.
-- PARAMS   sale_id: text; charged: text array of the payment ids in the provider's book
-- ANSWERS  one number
SELECT count(*)
FROM flashsale.payments p JOIN flashsale.reservations r USING (reservation_id)
WHERE r.sale_id = :sale_id AND p.state = 'created' AND CAST(p.payment_id AS text) = ANY(CAST(:charged AS text[]))
