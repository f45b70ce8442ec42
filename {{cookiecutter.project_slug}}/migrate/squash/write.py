"""A revision that builds a dump, as Python that people can read."""

import re
import textwrap
from collections.abc import Iterable, Iterator

from migrate.squash.dump import NAME, QUOTED, Dump, edit, mask, parts

WIDTH = 110
INDENT = " " * 8

# The heading of a group of statements, and how its first statement begins.
SECTIONS = {
    "Schemas": r"CREATE SCHEMA",
    "Extensions": r"CREATE EXTENSION",
    "Types": r"CREATE (TYPE|DOMAIN)",
    "Functions": r"CREATE (FUNCTION|PROCEDURE|AGGREGATE)",
    "Tables, sequences and views": r"CREATE ((UNLOGGED |FOREIGN )?TABLE|SEQUENCE|(MATERIALIZED )?VIEW)",
    "Rows": r"INSERT INTO",
    "Foreign keys": r"ALTER TABLE .*\n? +ADD CONSTRAINT .* FOREIGN KEY",
    "Constraints": r"ALTER TABLE .*\n? +ADD CONSTRAINT",
    "Indexes": r"CREATE (UNIQUE )?INDEX",
    "Triggers": r"CREATE (CONSTRAINT )?TRIGGER",
    "Row security": r"CREATE POLICY|ALTER TABLE .* ENABLE ROW LEVEL SECURITY",
    "Privileges": r"GRANT|REVOKE|ALTER DEFAULT PRIVILEGES",
}
FUNCTION = re.compile(r"CREATE (FUNCTION|PROCEDURE) ")

# Where to break a long line: the best places, and the possible ones.
BREAKS = (
    r" (?=(?:ON|USING|INCLUDE|WHERE|FOR|EXECUTE|FOREIGN KEY|REFERENCES|ATTACH PARTITION|CHECK|IS)\b|WITH \()",
    " ",
)

# In masked code:
TABLE = re.compile(r"CREATE (?:UNLOGGED )?TABLE (\S+) \(\n(?!.*\nINHERITS).*", re.DOTALL)
KEY = re.compile(
    rf"ALTER TABLE ONLY (\S+)\n +ADD (CONSTRAINT {NAME} (?:PRIMARY KEY|UNIQUE|EXCLUDE)\b.*)", re.DOTALL
)
IDENTITY = re.compile(
    r"ALTER TABLE (\S+) ALTER COLUMN (\S+) ADD GENERATED (ALWAYS|BY DEFAULT) AS IDENTITY \(\n(.*)\n\)",
    re.DOTALL,
)
FOREIGN_KEY = re.compile(
    rf"ALTER TABLE ((?:ONLY )?\S+)\n +ADD CONSTRAINT ({NAME}) FOREIGN KEY\b.*", re.DOTALL
)
OWNED = re.compile(r"ALTER SEQUENCE (\S+) OWNED BY .*", re.DOTALL)
DEFAULT_SEQUENCE = r"\n    START WITH 1\n    INCREMENT BY 1\n    NO MINVALUE\n    NO MAXVALUE\n    CACHE 1\b"
# A sequence of the schema public, in the string constant of a statement that pg_dump writes.
IN_CONSTANT = re.compile(
    r"^(SELECT pg_catalog\.setval\('|ALTER TABLE ONLY \S+ ALTER COLUMN \S+ SET DEFAULT nextval\(')public\."
)
# Statements that are not needed: the object is dropped with its table or view.
IMPLIED = re.compile(r"ALTER |CREATE OR REPLACE VIEW |DROP (INDEX|TRIGGER|RULE|POLICY|STATISTICS) ")
TIE = re.compile(r"DROP (TRIGGER|RULE|POLICY) ")

# The colons that SQLAlchemy's text() takes for a bind, and for an escaped colon.
BIND = re.compile(r"(?<![:\w$\\]):(?=[\w$]+(?![:\w$]))|(?<=\\):(?=[\w$]*(?![:\w$]))")


def tidy(dump: Dump) -> Dump:
    """Return the dump in the form that people write: short names, keys in their tables, few drops.

    It may not build the same (a table with the name public is enough), so that must be tried.
    """
    create: list[str] = []
    tables: dict[str, int] = {}  # the positions of CREATE TABLE
    for statement in map(_short, dump.create):
        for pattern, put in ((KEY, _with_key), (IDENTITY, _with_identity)):
            found = parts(pattern, statement)
            if found and found[0] in tables:
                place = tables[found[0]]
                create[place] = put(create[place], *found)
                break
        else:
            if table := parts(TABLE, statement):
                tables[table[0]] = len(create)
            create.append(statement)
    return Dump(create, _few(list(map(_short, dump.drop)), create))


def sure(dump: Dump) -> Dump:
    """Return the dump in pg_dump's own form, with drops that no dependency can block."""
    drops = _few(dump.drop, dump.create)
    return Dump(
        dump.create, [re.sub(r"^DROP ((?:[A-Z]+ )+)(.*)", r"DROP \1IF EXISTS \2 CASCADE", d) for d in drops]
    )


def source(dump: Dump, *, doc: str, revision: str, branch_labels: tuple[str, ...] = ()) -> str:
    """Return the text of a revision that builds the dump, and drops it.

    Args:
        dump: the statements.
        doc: the docstring.
        revision: the revision's id.
        branch_labels: the revision's labels.
    """
    create = list(_sections(dump.create))
    if any(map(FUNCTION.match, dump.create)):
        create = [
            "    # A function may name a table that is made after it.",
            _call("SET LOCAL check_function_bodies = false"),
            "",
            *create,
        ]
    return "\n".join([
        f'"""{doc}"""',
        "",
        "from alembic import op",
        "",
        f'revision = "{revision}"',
        "down_revision = None",
        f"branch_labels = {_python(branch_labels or None)}",
        "depends_on = None",
        "",
        "",
        "def upgrade() -> None:",
        *(create or ["    pass"]),
        "",
        "",
        "def downgrade() -> None:",
        *(map(_call, dump.drop) if dump.drop else ["    pass"]),
        "",
    ])  # fmt: skip


def _short(statement: str) -> str:
    statement = IN_CONSTANT.sub(r"\1", statement)  # `edit` changes no constant
    return edit(r'(?<![\w".])(?:public|pg_catalog)\.(?=\S)', "", edit(DEFAULT_SEQUENCE, "", statement))


def _with_key(create: str, _table: str, key: str) -> str:
    end = mask(create).index("\n)")
    return f"{create[:end]},\n    {key}{create[end:]}"


def _with_identity(create: str, table: str, column: str, kind: str, options: str) -> str:
    default = f"SEQUENCE NAME {table}_{column}_seq"
    options = " ".join(options.split())
    clause = f"GENERATED {kind} AS IDENTITY" + ("" if options == default else f" ({options})")
    start = create.index(f"\n    {column} ")
    place = mask(create).index(" NOT NULL", start)
    return f"{create[:place]} {clause}{create[place:]}"


def _few(drops: list[str], create: list[str]) -> list[str]:
    """Return the drops without those that others include, and with the tables' drops joined."""
    owned = {f"DROP SEQUENCE {found[0]}" for statement in create if (found := parts(OWNED, statement))}
    ties = {
        f"ALTER TABLE {table} DROP CONSTRAINT {name}"
        for statement in create
        for table, name in [parts(FOREIGN_KEY, statement) or ("", "")]
    }
    few = _merged(drop for drop in drops if not IMPLIED.match(drop) and drop not in owned)
    if sum(drop.startswith("DROP TABLE ") for drop in few) > 1:
        # An object must be dropped between two tables: first drop what ties the tables together.
        few = [drop for drop in drops if drop in ties or TIE.match(drop)] + few
    return few


def _merged(drops: Iterable[str]) -> list[str]:
    """Return the drops, with neighbouring tables in one: tables in a cycle can only be dropped together."""
    merged: list[str] = []
    for drop in drops:
        if merged and drop.startswith("DROP TABLE ") and merged[-1].startswith("DROP TABLE "):
            merged[-1] += f", {drop.removeprefix('DROP TABLE ')}"
        else:
            merged.append(drop)
    return merged


def _sections(statements: list[str]) -> Iterator[str]:
    current = None
    for statement in statements:
        section = next((name for name, sign in SECTIONS.items() if re.match(sign, statement)), current)
        if section != current:
            yield f"{chr(10) if current else ''}    # {section}"
            current = section
        yield _call(statement)


def _call(statement: str) -> str:
    """Return the lines that execute a statement; quoted text in it is unchanged."""
    statement = QUOTED.sub(_visible, statement)
    text = BIND.sub(r"\\:", statement)
    quote = "'" if '"' in text else '"'
    line = f"    op.execute({quote}{text}{quote})"
    if len(line) <= WIDTH and not re.search(rf"[\n\r\\{quote}]", text):
        return line
    text = BIND.sub(r"\\:", "\n".join(_wrapped(statement)))
    quotes = "'''" if '"""' in text else '"""'
    if "\r" in text or quotes in text:
        text = text.replace("\\", "\\\\").replace("\r", "\\r").replace(quotes, "\\'" * 3)
        prefix = ""
    else:
        prefix = "r" if "\\" in text else ""
    lines = [f"    op.execute({prefix}{quotes}", *text.split("\n"), f"    {quotes})"]
    return "\n".join(lines) + _silence(lines)


def _visible(found: re.Match[str]) -> str:
    """Return a string constant without tabs, which Alembic's --sql turns into blanks, and returns."""
    constant = found[0]
    if constant[0] not in "'eE" or not re.search(r"[\t\r]", constant):
        return constant
    if constant[0] == "'":
        constant = "E" + constant.replace("\\", "\\\\")
    return constant.replace("\t", "\\t").replace("\r", "\\r")


def _wrapped(statement: str) -> Iterator[str]:
    """Yield the lines of a statement, indented; outside of quoted text they are not too long."""
    start = 0
    ends = [found.start() for found in re.finditer("\n", mask(statement))]
    for end in [*ends, len(statement)]:
        line = INDENT + statement[start:end]
        start = end + 1
        margin = len(line) - len(line.lstrip()) + 4
        while len(line) > WIDTH and "\n" not in line:
            masked = mask(line)
            places = [
                [found.start() for found in re.finditer(sign, masked) if margin < found.start() <= WIDTH]
                for sign in BREAKS
            ]
            place = next((found[-1] for found in places if found), None)
            if place is None:
                break
            yield line[:place]
            line = " " * margin + line[place + 1 :]
        yield line


def _silence(lines: list[str]) -> str:
    rules = {
        "E501": any(len(line) > WIDTH for line in lines),
        "W291": any(line.strip() and line != line.rstrip() for line in lines),
        "W293": any(line and not line.strip() for line in lines),
    }
    found = ", ".join(rule for rule, broken in rules.items() if broken)
    return f"  # noqa: {found}" if found else ""


def _python(labels: object) -> str:
    return repr(labels).replace("'", '"')


def paragraph(text: str) -> str:
    """Return a paragraph of a docstring."""
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)
