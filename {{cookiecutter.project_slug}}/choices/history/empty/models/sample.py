"""Realistic rows for your tables, and awkward ones.

`python -m migrate sample`, the tests and the ledger fill every table by itself: parents first,
each column by its type, as its constraints want it. Here stands what is more like real life:

    TABLES = {
        "hives": {                       # or "schema.table"
            "share": 0.1,                # rows for each of `--rows`; 1 if it is not given, 0 for none
            "columns": {                 # SQL over a row's number n, from 1; None: its default
                "name": "'Hive ' || n",
            },
            "awkward": [                 # rows that real tables hold and recipes forget
                {"name": ""},
            ],
        },
    }

What is not said is made up. A column that is not there (yet, or any more) is left out; so is an
awkward row that the schema refuses.
"""

from typing import Any

TABLES: dict[str, dict[str, Any]] = {}
