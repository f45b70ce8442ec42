-- Rows for the tables at head, the same every time. Into customers, parts, repairs, notes, visits.
INSERT INTO customers (id, name, email, phone, joined_at)
SELECT md5('customer ' || n)::uuid, 'Customer ' || n, 'customer' || n || '@example.com',
    CASE WHEN n % 3 > 0 THEN '+49 30 ' || n END, timestamptz '2024-01-01 08:00Z' + n * interval '1 hour'
FROM generate_series(1, 50) n;
INSERT INTO parts (assembly_id, name, maker)
SELECT CASE WHEN n > 4 THEN n % 4 + 1 END, 'Part ' || n, 'Maker ' || n % 3 FROM generate_series(1, 20) n;
INSERT INTO repairs (id, customer_id, part_id, title, minutes, details, tags, priority, state, created_at)
SELECT md5('repair ' || n)::uuid, md5('customer ' || 1 + n % 50)::uuid, nullif(n % 21, 0), 'Repair ' || n,
    nullif(n % 90, 0), jsonb_build_object('wheel', n % 28), ARRAY['urgent', 'year ' || n % 5], n % 10,
    (enum_range(NULL::repair_state))[1 + n % 4], timestamptz '2024-02-01 08:00Z' + n * interval '1 hour'
FROM generate_series(1, 500) n;
INSERT INTO notes (id, repair_id, line, text, at)
SELECT md5('note ' || n)::uuid, md5('repair ' || n)::uuid, 1, 'Note ' || n, timestamptz '2024-03-01Z'
FROM generate_series(1, 200) n;
INSERT INTO visits (id, at, repair_id, mechanic_id)
SELECT md5('visit ' || n)::uuid, timestamptz '2024-11-01Z' + n * interval '1 day',
    md5('repair ' || n)::uuid, 1 + n % 3
FROM generate_series(1, 100) n;
