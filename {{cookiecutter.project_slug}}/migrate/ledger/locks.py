"""PostgreSQL's table locks: their order, what they keep out, and what that means for traffic.

https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
"""

# From the weakest to the strongest, and with each one those that it keeps out.
_TABLE = {
    "AccessShareLock": "       X",
    "RowShareLock": "      XX",
    "RowExclusiveLock": "    XXXX",
    "ShareUpdateExclusiveLock": "   XXXXX",
    "ShareLock": "  XX XXX",
    "ShareRowExclusiveLock": "  XXXXXX",
    "ExclusiveLock": " XXXXXXX",
    "AccessExclusiveLock": "XXXXXXXX",
}
MODES = list(_TABLE)
CONFLICTS = {
    mode: {other for other, mark in zip(MODES, marks, strict=True) if mark == "X"}
    for mode, marks in _TABLE.items()
}

READING, WRITING = "AccessShareLock", "RowExclusiveLock"


def stronger(one: str | None, other: str) -> str:
    """Return the stronger of two modes."""
    return max(one or other, other, key=MODES.index)


def blocked_by(mode: str) -> str | None:
    """Return who waits while a table is locked so: "reads" (then writes do too), "writes", or None.

    None: nobody but other DDL.
    """
    if READING in CONFLICTS[mode]:
        return "reads"
    return "writes" if WRITING in CONFLICTS[mode] else None
