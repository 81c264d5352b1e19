-- Numbers a new leader of a duty. Run by whoever holds the duty's advisory lock, on the same session, so that no two
-- keepers number themselves at once. It waits for the fenced transactions of the leader before (they hold the row FOR
-- SHARE), so once it returns no older leader can commit anything under its fence.
-- $1 duty; $2 name of the leader. Returns the fence: greater than every one before it.
INSERT INTO ops.duties (duty, fence, leader)
VALUES ($1, 1, $2)
ON CONFLICT (duty) DO UPDATE
    SET fence = duties.fence + 1, leader = excluded.leader, led_since = now()
RETURNING fence
