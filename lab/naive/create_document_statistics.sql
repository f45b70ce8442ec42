-- Instead of: a larger statistics target, which tells more of each column and nothing of both
-- given: CREATE FUNCTION estimate(query text, OUT rows integer) LANGUAGE plpgsql AS $$ DECLARE plan jsonb;BEGIN
--     EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;rows := plan #> '{0,Plan,Plan Rows}';END $$; INSERT INTO
--     documents (user_id, title, category_id) SELECT u.id, 'filed', c.id FROM (SELECT id, row_number() OVER
--     (ORDER BY id) AS n FROM users) AS u JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n, count(*) OVER
--     () AS all_of FROM categories) AS c ON c.n = u.n % all_of, generate_series(1, 200); ANALYZE documents
-- claim: answers True: SELECT 2 * estimate(format('SELECT FROM documents WHERE user_id = %L AND category_id = %s',
--     user_id, category_id)) < count(*) FROM documents GROUP BY user_id, category_id ORDER BY count(*) DESC, user_id
--     LIMIT 1

ALTER TABLE documents ALTER COLUMN user_id SET STATISTICS 1000;

ALTER TABLE documents ALTER COLUMN category_id SET STATISTICS 1000;

ANALYZE documents (user_id, category_id);
