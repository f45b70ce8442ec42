"""PostgreSQL's table locks: their order, their conflicts, and what they mean for traffic.

https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
"""

# From the weakest to the strongest, each with the modes that it conflicts with.
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
    """Return what waits while a table is locked in a mode: "reads" (and writes), "writes", or None.

    None: only other DDL waits.
    """
    if READING in CONFLICTS[mode]:
        return "reads"
    return "writes" if WRITING in CONFLICTS[mode] else None
