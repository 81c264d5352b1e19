-- Where a sale stands, in one row: what a walk compares with its model after every step.
-- Parameters: sale_id. Rows: one of JSON arrays: reservations (id, state, regrant_of), payments (id, state, needs people,
-- serves), buckets (number, total, taken, epoch), reservation ids of the events for other rooms.
SELECT
    (
        SELECT coalesce(json_agg(json_build_array(reservation_id, state, regrant_of)), '[]')
        FROM flashsale.reservations WHERE sale_id = :sale_id
    ),
    (
        SELECT coalesce(json_agg(json_build_array(
            p.payment_id, p.state, coalesce(p.reason = 'payment_needs_people', false), p.serves
        )), '[]')
        FROM flashsale.payments p JOIN flashsale.reservations r USING (reservation_id) WHERE r.sale_id = :sale_id
    ),
    (
        SELECT json_agg(json_build_array(bucket, total, taken, epoch))
        FROM flashsale.buckets WHERE sale_id = :sale_id
    ),
    (
        SELECT coalesce(json_agg(payload ->> 'reservation_id'), '[]')
        FROM flashsale.outbox WHERE payload ->> 'sale_id' = :sale_id
    )
