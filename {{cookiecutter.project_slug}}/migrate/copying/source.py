"""The file of a revision with other names: its strings, its docstring, its ids."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from alembic.util import CommandError

from migrate.chain import FIELDS
from migrate.copying import adapt, sql
from migrate.copying.renaming import Renaming, quoted
from migrate.ledger.docstring import wrapped

# Which argument of a call is SQL: by its place or its name.
SQL_ARGUMENTS = {"execute": 0, "text": 0, "create_check_constraint": 2}
SQL_KEYWORDS = {"postgresql_where", "postgresql_partition_by"}
COMMENTS = {"comment"}

# The schema argument of Alembic's operations, and the place of their table's name.
TAKES_SCHEMA = {
    "add_column", "alter_column", "create_check_constraint", "create_index", "create_table",
    "create_table_comment", "create_unique_constraint", "drop_column", "drop_constraint", "drop_index",
    "drop_table", "drop_table_comment", "rename_table", "ENUM",
}  # fmt: skip
SCHEMAS = {"create_foreign_key": ("source_schema", "referent_schema")}

# Types of a key in Python, and how a table that the revision creates fills the key.
PYTHON_KEYS = {
    "uuid": ("sa.Uuid()", ', server_default=sa.text("gen_random_uuid()")'),
    "bigint": ("sa.BigInteger()", ", sa.Identity()"),
    "integer": ("sa.Integer()", ", sa.Identity()"),
    "text": ("sa.Text()", ""),
}

LITERAL = re.compile(
    r"""(?P<prefix>[rRfFbBuU]*)(?P<quotes>\"{3}|'{3}|"|')(?P<body>(?:\\.|.)*?)(?P=quotes)""", re.DOTALL
)
IDS = {"revision", "down_revision", "branch_labels", "depends_on"}


class Ids(NamedTuple):
    """The ids of a copy, and of the revision that it comes after."""

    revision: str
    down: str | None
    date: str


@dataclass
class _Edit:
    start: int
    end: int
    text: str


def strings(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """Yield each whole string of a file, with its kind: "sql", "name" or "prose".

    The file's docstring is left out.
    """
    said: dict[int, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            place = SQL_ARGUMENTS.get(function)
            if place is not None and len(node.args) > place:
                said |= dict.fromkeys(map(id, _outermost(node.args[place])), "sql")
            if function == "create_table_comment":
                said[id(node.args[1])] = "prose"
            for keyword in node.keywords:
                if keyword.arg in SQL_KEYWORDS and not isinstance(keyword.value, ast.Call):
                    said[id(keyword.value)] = "sql"
                if keyword.arg in COMMENTS:
                    said[id(keyword.value)] = "prose"
        elif isinstance(node, ast.Expr):
            said[id(node.value)] = "prose"
    body = tree.body if ast.get_docstring(tree) is None else tree.body[1:]
    for statement in body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") in IDS:
            continue
        for found in _outermost(statement):
            yield found, said.get(id(found)) or _shape(found)


def _outermost(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        yield node
        return
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, (ast.arg, ast.AnnAssign)) and child is node.annotation):
            yield from _outermost(child)


def _shape(node: ast.expr) -> str:
    """Return the kind of a string, by its form: a name is one word."""
    if isinstance(node, ast.Constant):
        return "name" if re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)?", str(node.value)) else "sql"
    literal = "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)  # type: ignore[attr-defined]
    return "name" if re.fullmatch(r"\w+", literal) else "sql"


def copied(source: str, renaming: Renaming, ids: Ids) -> str:
    """Return the source of a revision with other names.

    Args:
        source: the revision.
        renaming: the new names.
        ids: the ids of the copy.

    Raises:
        CommandError: a string cannot be written with the new names.
    """
    source = _keys(source, renaming)
    text = _Text(source)
    tree = ast.parse(source)
    edits = [_of_string(text, node, kind, renaming) for node, kind in strings(tree)]
    if renaming.schema:
        edits += [
            edit
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            for edit in _schema(text, node, renaming)
        ]
    edits += _ids(text, tree, ids)
    if isinstance(tree.body[0], ast.Expr):
        start, end = text.span(tree.body[0])
        edits.append(_Edit(start, end, docstring(source[start:end], renaming, ids)))
    result = source
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        result = result[: edit.start] + edit.text + result[edit.end :]
    try:
        ast.parse(result)
    except SyntaxError as error:
        raise CommandError(f"these names give no valid Python (line {error.lineno})") from error
    return result


class _Text:
    """A text, and the positions of its lines and columns."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines = source.splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))

    def span(self, node: ast.stmt | ast.expr) -> tuple[int, int]:
        return self._at(node.lineno, node.col_offset), self._at(
            node.end_lineno or 0, node.end_col_offset or 0
        )

    def _at(self, line: int, column: int) -> int:
        # Columns are counted in bytes.
        return self.starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode())


def _of_string(text: _Text, node: ast.expr, kind: str, renaming: Renaming) -> _Edit:
    start, end = text.span(node)
    segment = text.source[start:end]
    pieces = list(LITERAL.finditer(segment))
    bodies = "\0".join(piece["body"] for piece in pieces)
    match kind:
        case "sql":
            bodies = sql.renamed(bodies, renaming)
        case "prose":
            bodies = sql.prose(bodies, renaming)
        case _ if "." in bodies:  # a foreign key's table.column
            names = [renaming.new(name) for name in bodies.split(".")]
            bodies = ".".join([renaming.schema, *names] if renaming.schema else names)
        case _ if bodies in renaming.literals and bodies not in renaming.forms:
            bodies = renaming.literals[bodies]
        case _:
            bodies = renaming.new(bodies)
    new = segment
    for piece, body in reversed(list(zip(pieces, bodies.split("\0"), strict=True))):
        new = new[: piece.start()] + _quoted(piece, body) + new[piece.end() :]
    return _Edit(start, end, new)


def _quoted(piece: re.Match[str], body: str) -> str:
    """Return a Python string with this body, in quotes that do not occur in it."""
    quotes = piece["quotes"]
    if body != piece["body"] and quotes == '"' and re.search(r'(?<!\\)"', body):
        quotes = "'" if "'" not in body else '"""'
        if quotes == '"""' and body.endswith('"'):
            body = body[:-1] + '\\"'
    return f"{piece['prefix']}{quotes}{body}{quotes}"


def _schema(text: _Text, call: ast.Call, renaming: Renaming) -> Iterator[_Edit]:
    """Yield the edits that give an operation the schema."""
    function = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    keywords = SCHEMAS.get(function) or (("schema",) if function in TAKES_SCHEMA else ())
    if not keywords:
        return
    _, end = text.span(call)
    given = ", ".join(f'{keyword}="{renaming.schema}"' for keyword in keywords)
    before = text.source[: end - 1]
    line = re.search(r"\n([ ]*)$", before)
    if before.rstrip().endswith(",") and line:
        yield _Edit(end - 1, end - 1, f"    {given},\n{line[1]}")
    elif line:
        last = len(before.rstrip())
        yield _Edit(last, last, f", {given}")
    else:
        yield _Edit(end - 1, end - 1, f", {given}")


def _ids(text: _Text, tree: ast.Module, ids: Ids) -> Iterator[_Edit]:
    values = {"revision": ids.revision, "down_revision": ids.down, "branch_labels": None, "depends_on": None}
    for node in tree.body:
        if isinstance(node, ast.Assign) and (name := getattr(node.targets[0], "id", "")) in values:
            value = values[name]
            yield _Edit(*text.span(node.value), f'"{value}"' if value else "None")


def _keys(source: str, renaming: Renaming) -> str:
    """Return a file with another key type in its Python columns."""
    for old, new in renaming.keys.items():
        if old == new:
            continue
        (old_type, old_fill), (new_type, new_fill) = PYTHON_KEYS[old], PYTHON_KEYS.get(new, (new, ""))
        column = r'(sa\.Column\("[^"]+", )' if old == "uuid" else r'(sa\.Column\("(?:id|[^"]+_id)", )'
        source = re.sub(rf"{column}{re.escape(old_type + old_fill)}", rf"\1{new_type}{new_fill}", source)
        source = re.sub(rf"{column}{re.escape(old_type)}", rf"\1{new_type}", source)
    return source


def docstring(text: str, renaming: Renaming, ids: Ids) -> str:
    """Return a docstring, quotes included, with other names and ids."""
    head = text.partition("\nRevision ID:")[0].rstrip()
    prose, *rest = re.split(rf"^({'|'.join(FIELDS)}|Allow): ", head, flags=re.MULTILINE)
    lines = [sql.prose(prose, renaming).rstrip("\n"), ""] if rest else [sql.prose(prose, renaming)]
    for name, said in zip(rest[::2], rest[1::2], strict=True):
        lines += wrapped(f"{name}: {_field(name, ' '.join(said.split()), renaming)}")
    lines += [
        "",
        f"Revision ID: {ids.revision}",
        f"Revises: {ids.down or ''}".rstrip(),
        f"Create Date: {ids.date}",
    ]
    return "\n".join([*lines, text[:3]])


def _field(name: str, said: str, renaming: Renaming) -> str:
    match name:
        case "Scenario":
            return said
        case "Adapt":
            return adapt.written(new_names(adapt.parse(said), renaming))
        case "Instead of" | "Deploy":
            return sql.prose(said, renaming)
        case _:
            return _in_sql_notation(said, renaming)


def new_names(names: list[adapt.Name], renaming: Renaming) -> list[adapt.Name]:
    """Return the names of an `Adapt:` line, as the copy has them."""

    def new(name: adapt.Name) -> str:
        if name.kind == "key":
            return renaming.keys.get(name.text, name.text)
        return (
            renaming.literals.get(name.text, name.text)
            if name.kind in adapt.LITERALS
            else renaming.new(name.text)
        )

    return [adapt.Name(name.kind, new(name), renaming.new(name.table), name.new) for name in names]


def _in_sql_notation(said: str, renaming: Renaming) -> str:
    """Return a field that the ledger reads, with its names as PostgreSQL prints them."""

    def name(match: re.Match[str]) -> str:
        found = match[0]
        if found in renaming.slugs:
            return renaming.slugs[found]
        parts = found.split(".")
        if parts[0] not in renaming.tables:
            return sql.prose(found, renaming)
        schema = [quoted(renaming.schema)] if renaming.schema else []
        return ".".join([*schema, *(quoted(renaming.new(part)) for part in parts)])

    return re.sub(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*", name, said)
