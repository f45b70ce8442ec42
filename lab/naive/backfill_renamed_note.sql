-- Instead of: one UPDATE, which locks every row it has changed until the last one is done
-- claim: locks rows of page_notes until the commit

UPDATE page_notes SET body = note WHERE body IS DISTINCT FROM note;
