"""The naive twins: for each revision that has an `Instead of:`, the naive way, and what is claimed of it.

A twin is a file of lab/naive/, SLUG.sql, or SLUG.py where it takes Python; a second one of the
same revision is SLUG.WORD.sql. It begins with its fields, as comments:

    -- Instead of: what the docstring of the revision says, word by word
    -- claim: what comes of it, in the words of CLAIMS; one line or more
    -- rather: the query that takes the place of the one of the claim above, on the right way
    -- given: SQL that runs before it, and before the right way, such as rows that go wrong
    -- way: downgrade, where it is the way back that goes wrong
    -- transaction: none, where each statement commits by itself
    -- look: after the statement of this number, from 1, rather than at the end

A line that is more indented goes on with the one before. Then come the statements, each ended by
a semicolon at the end of a line. One under the comment `-- meanwhile` is the application's.
A file without statements does nothing: the naive way is to leave things as they are.

none.toml says of all other revisions why they have no twin.
"""

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

FOLDER = Path(__file__).with_name("naive")

# What can be claimed. How each is measured is said in trials.py.
_TABLE = r"(?P<table>\w+)"
_WHERE = r"(?P<state>[0-9A-Z]{5}): (?P<sql>.+)"
CLAIMS = {
    "fails": r"fails (?P<state>[0-9A-Z]{5})",
    "rewrites": rf"rewrites {_TABLE}",
    "blocks": rf"blocks (?P<who>reads|writes) of {_TABLE}"
    r"( while it (?P<verb>scans|builds|rewrites|waits for) (?P<name>\w+))?",
    "locks rows": rf"locks rows of {_TABLE} until the commit",
    "scans again": rf"scans {_TABLE} again at every try",
    "loses": rf"loses {_TABLE}(\.(?P<column>\w+))?",
    "breaks running code": rf"breaks running code, {_WHERE}",
    "breaks old code": rf"breaks old code, {_WHERE}",
    "refuses": rf"refuses, {_WHERE}",
    "accepts": r"accepts: (?P<sql>.+)",
    "answers": r"answers (?P<value>\S+): (?P<sql>.+)",
    "plans": r"plans (?P<node>[\w ]+): (?P<sql>.+)",
    "is larger": r"makes (?P<index>\w+) larger than (?P<other>\w+)",
    "shows": rf"shows {_TABLE}\.(?P<column>\w+) in a statement",
}
FIELDS = ("Instead of", "claim", "rather", "given", "way", "transaction", "look")


class TwinError(Exception):
    """A file cannot be read. The message says which and why."""


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes:
        kind: which of CLAIMS.
        words: as it stands in the file.
        parts: what it names, by the names of CLAIMS.
        rather: what to ask of the right way in place of `parts["sql"]`.
    """

    kind: str
    words: str
    parts: dict[str, str]
    rather: str | None = None

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Statement:
    """One statement, and whether it is the application's."""

    sql: str
    meanwhile: bool = False


@dataclass(frozen=True)
class Twin:
    """One file."""

    path: Path
    instead_of: str
    claims: list[Claim]
    given: str | None = None
    downgrade: bool = False
    autocommit: bool = False
    look: int | None = None
    statements: list[Statement] = field(default_factory=list)

    def __str__(self) -> str:
        return self.path.stem

    @property
    def slug(self) -> str:
        """The revision's."""
        return self.path.stem.partition(".")[0]

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def script(self) -> str:
        """Return the SQL without the application's, as Alembic's `--sql` has it around transactions.

        Of a twin in Python nothing is known but when it runs.
        """
        body = "".join(f"{each.sql};\n\n" for each in self.statements if not each.meanwhile)
        return body if self.autocommit else f"BEGIN;\n\n{body}COMMIT;\n"

    def revision(
        self,
        revision: str,
        parent: str | None,
        *,
        meanwhile: bool = True,
        operation: Callable[[str], str] = 'op.execute("""{}""")'.format,
    ) -> str:
        """Return the source of a revision that goes the naive way.

        Args:
            revision: its id.
            parent: the id of the one before, None for the first.
            meanwhile: with what the application does.
            operation: what gives the Python of a statement.
        """
        parent_line = f"down_revision = {parent!r}".replace("'", '"')
        ids = f'revision = "{revision}"\n{parent_line}\nbranch_labels = None\ndepends_on = None\n'
        if self.path.suffix == ".py":
            return f"{self.text}\n\n{ids}"
        taken = [each.sql for each in self.statements if meanwhile or not each.meanwhile]
        indent = " " * (8 if self.autocommit else 4)
        body = "".join(f"{indent}{operation(sql)}\n" for sql in taken)
        if body and self.autocommit:
            body = f"    with op.get_context().autocommit_block():\n{body}"
        nothing = "    pass\n"
        up, down = (nothing, body) if self.downgrade else (body, nothing)
        return (
            f'"""The naive way of {self.slug}."""\n\nfrom alembic import op\n\n{ids}\n\n'
            f"def upgrade() -> None:\n{up or nothing}\n\ndef downgrade() -> None:\n{down or nothing}"
        )


def twins(folder: Path = FOLDER) -> list[Twin]:
    """Return all of them, by their names.

    Raises:
        TwinError: one cannot be read.
    """
    return [read(path) for path in sorted(folder.iterdir()) if path.suffix in (".sql", ".py")]


def without(folder: Path = FOLDER) -> dict[str, str]:
    """Return of each revision that has no twin why."""
    reasons: dict[str, str] = tomllib.loads((folder / "none.toml").read_text(encoding="utf-8"))
    return reasons


def read(path: Path) -> Twin:
    """Read one file.

    Raises:
        TwinError: a field is not known, or is missing, or a claim is none of CLAIMS.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    mark = {".sql": "-- ", ".py": "# "}[path.suffix]
    length = next((n for n, line in enumerate(lines) if not line.startswith(mark)), len(lines))
    head = "\n".join(line.removeprefix(mark) for line in lines[:length])
    body = "\n".join(lines[length:]) if path.suffix == ".sql" else ""
    fields = list(_fields(path, head))
    claims: list[Claim] = []
    for name, value in fields:
        if name == "claim":
            claims.append(_claim(path, value))
        elif name == "rather":
            if not claims:
                raise TwinError(f"{path.name}: rather: stands under no claim")
            claims[-1] = Claim(claims[-1].kind, claims[-1].words, claims[-1].parts, value)
    said = dict(fields)
    if not claims or "Instead of" not in said:
        raise TwinError(f"{path.name}: it says no Instead of:, or claims nothing")
    look = said.get("look")
    return Twin(
        path,
        said["Instead of"],
        claims,
        given=said.get("given"),
        downgrade=_is(path, said, "way", "downgrade"),
        autocommit=_is(path, said, "transaction", "none"),
        look=int(look) if look else None,
        statements=list(_statements(body)),
    )


def _fields(path: Path, head: str) -> Iterator[tuple[str, str]]:
    for line in re.sub(r"\n[ \t]+", " ", head.strip()).splitlines():
        name, colon, value = line.partition(": ")
        if name not in FIELDS or not colon:
            raise TwinError(f"{path.name}: {line!r} is none of {', '.join(FIELDS)}")
        yield name, value.strip()


def _is(path: Path, said: dict[str, str], name: str, word: str) -> bool:
    value = said.get(name)
    if value not in (None, word):
        raise TwinError(f"{path.name}: {name}: is {word} or is not said, and not {value!r}")
    return value is not None


def _claim(path: Path, words: str) -> Claim:
    for kind, pattern in CLAIMS.items():
        if match := re.fullmatch(pattern, words):
            return Claim(kind, words, {k: v for k, v in match.groupdict().items() if v is not None})
    raise TwinError(f"{path.name}: {words!r} is no claim: it may be one of {', '.join(CLAIMS)}")


def _statements(body: str) -> Iterator[Statement]:
    for part in re.split(r";[ \t]*$", body, flags=re.MULTILINE):
        meanwhile = re.match(r"\s*-- meanwhile\n", part)
        sql = part[meanwhile.end() :] if meanwhile else part
        if sql.strip():
            yield Statement(sql.strip(), bool(meanwhile))
