"""The names in a revision that belong to the example: the line `Adapt:` of its docstring.

`Adapt: table orders, key uuid, columns amount customer_id, table customers, key uuid, labels local`.
A key and columns belong to the table before them. The revision itself creates what is `new`. A name
that is made from these names is not listed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from alembic.util import CommandError

# A "name" is any other name in the database; members are keys of JSON. A table's columns and the type of
# its key come after it.
IDENTIFIERS = ("table", "column", "name")
LITERALS = ("label", "member")
KINDS = (*IDENTIFIERS, *LITERALS, "key")
PLURALS = {f"{kind}s": kind for kind in KINDS}

OF_A_TABLE = ("key", "column")
WORD = re.compile(r'"[^"]+"|[^\s",]+')
WORDS = re.compile(rf"(?:{WORD.pattern})(?: (?:{WORD.pattern}))*")


@dataclass(frozen=True)
class Name:
    """One name of the example.

    Attributes:
        kind: one of `KINDS`; for "key" the text is the type of the table's `id`.
        text: the name.
        table: the table of a column or key, else "".
        new: whether the revision creates it.
    """

    kind: str
    text: str
    table: str = ""
    new: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return f"{self.kind} {self.text}"


def parse(line: str) -> list[Name]:
    """Return the names of an `Adapt:` line.

    Raises:
        CommandError: the line cannot be read.
    """
    if line in ("", "nothing"):
        return []
    found: list[Name] = []
    table = Name("table", "")
    for item in line.split(", "):
        first, *words = [word.strip('"') for word in WORD.findall(item)] if WORDS.fullmatch(item) else [""]
        new = first == "new" and bool(words)
        if new:
            first, *words = words
        kind = PLURALS.get(first, first)
        if kind not in KINDS or not words:
            raise CommandError(f"Adapt: {item!r} is not one of {', '.join(KINDS)} and a name")
        for word in words:
            if kind == "table":
                found.append(table := Name(kind, word, new=new))
            elif kind not in OF_A_TABLE:
                found.append(Name(kind, word, new=new))
            elif not table.text:
                raise CommandError(f"Adapt: {item!r} comes before its table")
            else:
                found.append(Name(kind, word, table.text, new or table.new))
    return found


def written(names: Iterable[Name]) -> str:
    """Return names as an `Adapt:` line."""
    items: list[tuple[str, list[str]]] = []
    of_new = False
    for name in names:
        of_new = name.new if name.kind == "table" else of_new
        new = "new " if name.new and not (of_new and name.kind in OF_A_TABLE) else ""
        text = name.text if re.fullmatch(r'[^\s",]+', name.text) else f'"{name.text}"'
        if items and items[-1][0] == new + name.kind and name.kind not in ("table", "key"):
            items[-1][1].append(text)
        else:
            items.append((new + name.kind, [text]))
    return (
        ", ".join(f"{kind if len(words) == 1 else kind + 's'} {' '.join(words)}" for kind, words in items)
        or "nothing"
    )


def union(lines: Iterable[Iterable[Name]]) -> list[Name]:
    """Return the names of several revisions, each once; a table's columns come after it."""
    names = list(dict.fromkeys(name for line in lines for name in line))
    tables = list(dict.fromkeys(name.text for name in names if name.kind == "table"))
    order = {"table": 0, "key": 1, "column": 2}
    return sorted(
        names,
        key=lambda name: (
            tables.index(name.table or name.text) if name.kind in order else len(tables),
            order.get(name.kind, 3),
        ),
    )
