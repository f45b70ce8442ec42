"""Names of tables and columns as PostgreSQL prints them: users, billing.invoice, "Order".

So they stand in docstrings and in the ledger: with the schema where it is not the default one,
and in quotes where SQL needs them.
"""

import re

_PART = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
NAME = rf"{_PART}(?:\.{_PART})*"  # as a regular expression, without groups


def named(text: str) -> set[str]:
    """Return what a text names, and its other words too, which no table is called."""
    return set(re.findall(NAME, text))


def plain(name: str) -> str:
    """Return a name of one part without its quotes, as the catalogue has it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
