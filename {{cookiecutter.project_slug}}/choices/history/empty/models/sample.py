"""Realistic rows for your tables, and awkward ones.

`python -m migrate sample`, the tests and the ledger fill every table without this file: parents first,
each column by its type and its constraints. If they cannot fill a table, they name it: then give SQL
for its columns here. Give it too if made-up values are not realistic, for example if the code knows
only certain values of a text:

    TABLES = {
        "customers": {                   # or "schema.table"
            "share": 0.1,                # rows for each of `--rows`; 1 if it is not given, 0 for none
            "columns": {                 # SQL over a row's number n, from 1; None: its default
                "email": "'customer' || n || '@example.com'",
                "plan": "(ARRAY['free', 'paid'])[1 + n % 2]",
            },
            "awkward": [                 # rows that real tables have and code forgets
                {"email": "", "plan": "free"},
                {"email": "TWIN@example.com"},
            ],
        },
    }

Values of other columns are made up; in an awkward row, only for columns that must have a value. If the
database, at its present revision, does not have a column, the column is left out. An awkward row that
the schema refuses is left out too.
"""

from typing import Any

TABLES: dict[str, dict[str, Any]] = {}
