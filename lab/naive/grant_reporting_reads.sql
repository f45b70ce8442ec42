-- Instead of: GRANT alone, which fails where the role is missing and knows no table of tomorrow
-- claim: fails 42704

GRANT SELECT ON documents, categories TO reporting;
