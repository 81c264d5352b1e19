-- TRUTH    every grant ends paid or blocked, and a blocked one names its owner and its reason
-- PARAMS   sale_id: text, NULL for every sale; grant_seconds: how long a promise may stay open
-- ANSWERS  one row a grant that is late, or blocked without saying who looks after it and why
SELECT CAST(grant_id AS text) AS subject
FROM rewards.grants
WHERE (CAST(:sale_id AS text) IS NULL OR sale_id = :sale_id)
  AND (
    state = 'promised'
        AND granted_at < now() - make_interval(secs => CAST(:grant_seconds AS double precision))
    OR state = 'blocked' AND (coalesce(owner, '') = '' OR coalesce(reason, '') = '' OR ended_at IS NULL)
  )
