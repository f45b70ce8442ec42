-- Instead of: DELETE of all but one, which loses the names, secrets and events of the others
-- claim: loses webhooks

DELETE FROM webhooks AS w USING webhooks AS o
WHERE o.user_id = w.user_id AND o.url = w.url AND (o.created_at, o.id) < (w.created_at, w.id);
