"""Realistic rows for your tables, and awkward ones.

`python -m migrate sample`, the tests and the ledger fill every table without your help: parents
first, each column by its type, as its constraints want it. A table that they cannot fill is
named: say here what its columns hold. Say it too where made-up rows are too unlike real life,
such as text of which the code knows certain values only:

    TABLES = {
        "customers": {                   # or "schema.table"
            "share": 0.1,                # rows for each of `--rows`; 1 if it is not given, 0 for none
            "columns": {                 # SQL over a row's number n, from 1; None: its default
                "email": "'customer' || n || '@example.com'",
                "plan": "(ARRAY['free', 'paid'])[1 + n % 2]",
            },
            "awkward": [                 # rows that real tables hold and code forgets
                {"email": "", "plan": "free"},
                {"email": "TWIN@example.com"},
            ],
        },
    }

What is not said is made up, in an awkward row only where a column must have a value. A column
that the database has not, at the revision that it is at, is left out; so is an awkward row that
the schema refuses.
"""

from typing import Any

TABLES: dict[str, dict[str, Any]] = {}
