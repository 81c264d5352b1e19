-- TRUTH    every charge in the provider's book serves a confirmed reservation or goes back: never neither, never both
-- PARAMS   sale_id: text, NULL for every sale; book: jsonb array of {kind, key, at}; notice_seconds: how long the
--          provider's word may be on its way, and how long a refund may take
-- ANSWERS  one row a charge that is in limbo, unknown to us, given back while it serves, or given back twice; and one
--          a payment that we call paid or refunded and the book does not; what costs nothing is in no book
WITH book AS (
    SELECT kind, key, min(at) AS at, count(*) AS entries
    FROM jsonb_to_recordset(CAST(:book AS jsonb)) AS b(kind text, key text, at timestamptz)
    WHERE kind IN ('payment', 'refund')
    GROUP BY kind, key
), ours AS (
    SELECT p.payment_id, CAST(p.payment_id AS text) AS key, p.state, p.amount_minor, o.sale_id,
           coalesce(s.state = 'confirmed', false) AS serving
    FROM flashsale.payments p
    LEFT JOIN flashsale.reservations o ON o.reservation_id = p.reservation_id
    LEFT JOIN flashsale.reservations s ON s.reservation_id = p.serves
), sides AS (
    SELECT coalesce(o.key, c.key) AS key, o.sale_id, o.state, o.amount_minor, o.serving,
           c.at AS charged_at, c.key IS NOT NULL AS charged, coalesce(c.entries, 0) AS charges,
           r.key IS NOT NULL AS returned, coalesce(r.entries, 0) AS refunds,
           greatest(c.at, r.at) < now() - make_interval(secs => CAST(:notice_seconds AS double precision)) AS old
    FROM ours o
    FULL JOIN (SELECT * FROM book WHERE kind = 'payment') c ON c.key = o.key
    LEFT JOIN (SELECT * FROM book WHERE kind = 'refund') r ON r.key = coalesce(o.key, c.key)
)
SELECT 'payment/' || key AS subject
FROM sides
WHERE (CAST(:sale_id AS text) IS NULL OR sale_id = :sale_id OR state IS NULL)
  AND (
    state IS NOT NULL AND (charges > 1 OR refunds > 1)
    -- A charge that is older than every sale judged is another book-keeper's.
    OR charged AND state IS NULL AND charged_at >= (
        SELECT min(applied_at) FROM flashsale.sales WHERE CAST(:sale_id AS text) IS NULL OR sale_id = :sale_id)
    OR state = 'paid' AND (NOT charged AND amount_minor > 0 OR NOT serving OR returned)
    OR state IN ('refund_due', 'refunded') AND (NOT charged OR serving)
    OR state = 'refunded' AND NOT returned
    OR state = 'refund_due' AND old
    OR state IN ('created', 'refused') AND charged AND old
  )
