"""The mutants of a revision: each leaves out or weakens one thing of its upgrade or its downgrade.

They are made by mechanism: of the Python by its syntax tree, and of the SQL in it by its tokens.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

# What makes a call safe, or does less than the same call without it.
KEYWORDS = {
    "if_exists", "if_not_exists", "ondelete", "postgresql_concurrently", "postgresql_include",
    "postgresql_not_valid", "postgresql_ops", "postgresql_using", "postgresql_where", "unique",
}  # fmt: skip
# What a statement of SQL or PL/pgSQL begins with that can be left out and leave the rest in order.
VERBS = {
    "ALTER", "ANALYZE", "COMMIT", "CREATE", "DELETE", "DROP", "EXECUTE", "INSERT", "LOCK", "NEW", "PERFORM",
    "RAISE", "SET", "TRUNCATE", "UPDATE",
}  # fmt: skip
# After these a statement begins.
BEFORE = {";", "BEGIN", "THEN", "LOOP", "ELSE", "$$"}
# What ends a WHERE or a HAVING.
ENDS = {
    ";", "EXCEPT", "FOR", "GROUP", "HAVING", "INTERSECT", "LIMIT", "LOOP", "OFFSET", "ON", "ORDER",
    "RETURNING", "THEN", "UNION", "WINDOW", "$$",
}  # fmt: skip
TOKEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|(?P<token>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$\w*\$|[^\W\d][\w$]*|[\d.]+|\S)",
    re.DOTALL,
)
# Words of SQL that can go, and what is left of them.
WORDS = {
    r"\bCONCURRENTLY\b": "",
    r"\bNOT\s+VALID\b": "",
    r"\bIF (NOT )?EXISTS\b(?!\s*\()": "",  # with a bracket it is PL/pgSQL's
    r"\bON\s+CONFLICT\b[^;]*?\bDO\s+NOTHING\b": "",
    r"\bINSERT OR (?=UPDATE)": "",
    r"(?<=INSERT) OR UPDATE\b(\s+OF\s+\w+(,\s*\w+)*)?": "",
    r"\bFOR (NO KEY )?UPDATE\b(?!\s*\w+\s*=)( OF \w+)?( SKIP LOCKED| NOWAIT)?": "",
    r"\bORDER BY [^;()]*?(?=\s+FOR (NO KEY )?UPDATE\b)": "",
}


class Token(NamedTuple):
    """One token of SQL, in capitals, with its place and how many brackets are open."""

    text: str
    start: int
    end: int
    depth: int


@dataclass(frozen=True)
class Mutant:
    """One change of a revision.

    Attributes:
        slug: of the revision.
        direction: "upgrade" or "downgrade".
        change: what it does, in one line.
        source: the file with it.
    """

    slug: str
    direction: str
    change: str
    source: str

    def __str__(self) -> str:
        return f"{self.slug}, {self.direction}: {self.change}"


def mutants(slug: str, source: str) -> list[Mutant]:
    """Return the mutants of a revision, by the source of its file."""
    found: dict[str, Mutant] = {}
    tree = ast.parse(source)
    for function in tree.body:
        if isinstance(function, ast.FunctionDef):
            for change, node, text in _changes(function):
                changed = _replaced(source, node, text)
                try:
                    ast.parse(changed)
                except SyntaxError as error:
                    raise AssertionError(f"{slug}: {change} leaves no Python: {error}") from error
                found.setdefault(changed, Mutant(slug, function.name, change, changed))
    return list(found.values())


def _changes(function: ast.FunctionDef) -> Iterator[tuple[str, ast.expr | ast.stmt | ast.keyword, str]]:
    """Yield what is changed, where, and what takes its place."""
    parts = {
        id(part) for node in ast.walk(function) if isinstance(node, ast.JoinedStr) for part in node.values
    }
    parts |= {id(node.value) for node in ast.walk(function) if isinstance(node, ast.Expr)}  # a docstring
    for node in ast.walk(function):
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
            yield f"leaves out {_line(_sql_of(node) or ast.unparse(node))}", node, "pass"
        elif isinstance(node, ast.keyword) and node.arg in KEYWORDS:
            # An argument that is not there: what unpacks to nothing.
            yield f"leaves out {_line(ast.unparse(node))}", node, "**{}"
        elif isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and id(node) not in parts):
            names, sql = _text(node)
            for change, changed in sql_mutants(sql) if " " in sql else ():
                yield _named(change, names), node, _literal(changed, names)


def _text(node: ast.expr) -> tuple[dict[str, str], str]:
    """Return the text of a literal, and what stands in it for each value of an f-string."""
    match node:
        case ast.Constant(str(text)):
            return {}, text
        case ast.JoinedStr(values):
            names = {
                f"value_{n}_": ast.unparse(part.value)
                for n, part in enumerate(values)
                if isinstance(part, ast.FormattedValue)
            }
            texts = [
                part.value if isinstance(part, ast.Constant) else f"value_{n}_"
                for n, part in enumerate(values)
            ]
            return names, "".join(map(str, texts))
    return {}, ""


def _named(text: str, names: dict[str, str]) -> str:
    """Put the values back that an f-string has."""
    for name, value in names.items():
        text = text.replace(name, f"{{{value}}}")
    return text


def _literal(text: str, names: dict[str, str]) -> str:
    """Return Python for a text, whatever quotes are in it and in its values."""
    return repr(text) + "".join(f".replace({name!r}, str({value}))" for name, value in names.items())


def _sql_of(node: ast.stmt) -> str | None:
    """Return the SQL of a call of op.execute that has nothing else."""
    match node:
        case ast.Expr(ast.Call(ast.Attribute(attr="execute"), [sql])):
            names, text = _text(sql)
            return _named(text, names) or None
    return None


def _replaced(source: str, node: ast.expr | ast.stmt | ast.keyword, text: str) -> str:
    lines = source.encode().splitlines(keepends=True)
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: (node.end_lineno or 0) - 1])) + (node.end_col_offset or 0)
    whole = source.encode()
    return (whole[:start] + text.encode() + whole[end:]).decode()


# SQL.


def sql_mutants(sql: str) -> Iterator[tuple[str, str]]:
    """Yield what is changed in a text of SQL, in one line, and the text."""
    tokens = _tokens(sql)
    for start, end, instead in (*_statements(tokens), *_conditions(tokens), *_filters(tokens), *_words(sql)):
        what = _line(sql[start:end])
        change = f"has {instead} in place of {what}" if instead else f"leaves out {what}"
        yield change, f"{sql[:start]}{instead}{sql[end:]}"


Edit = tuple[int, int, str]


def _tokens(sql: str) -> list[Token]:
    found, depth = [], 0
    for match in TOKEN.finditer(sql):
        if text := match["token"]:
            depth -= text == ")"
            dollar = text.startswith("$") and text.endswith("$")
            found.append(Token("$$" if dollar else text.upper(), *match.span(), depth))
            depth += text == "("
    return found


def _begins(tokens: list[Token], place: int) -> bool:
    """Whether a statement that is not the only one begins here."""
    return place > 0 and tokens[place - 1].text in BEFORE


def _statements(tokens: list[Token]) -> Iterator[Edit]:
    for place, token in enumerate(tokens):
        if token.text in VERBS and _begins(tokens, place):
            rest = tokens[place:]
            end = next((each for each in rest if each.text == ";" and each.depth <= token.depth), None)
            if end:
                yield token.start, end.end, ""


def _conditions(tokens: list[Token]) -> Iterator[Edit]:
    """Have each IF of PL/pgSQL be true, and be false."""
    for place, token in enumerate(tokens):
        if token.text in ("IF", "ELSIF") and _begins(tokens, place):
            cases, end = 0, place
            while cases or tokens[end].text != "THEN":
                cases += (tokens[end].text == "CASE") - (cases > 0 and tokens[end].text == "END")
                end += 1
            span = tokens[place + 1].start, tokens[end - 1].end
            raises = [each.text for each in tokens[end + 1 : end + 3]] == ["RAISE", "EXCEPTION"]
            yield *span, "false"
            if not raises:
                yield *span, "true"


def _filters(tokens: list[Token]) -> Iterator[Edit]:
    """Leave out each condition of a WHERE or HAVING."""
    for place, token in enumerate(tokens):
        if token.text not in ("WHERE", "HAVING") or place + 1 == len(tokens):
            continue
        parts, between = [[tokens[place + 1]]], False
        ands: list[Token] = []
        for each in tokens[place + 1 :]:
            if each.depth < token.depth or (each.depth == token.depth and each.text in ENDS):
                break
            if each.depth == token.depth and each.text == "AND" and not between:
                ands.append(each)
                parts.append([])
                continue
            between = (between or each.text == "BETWEEN") and each.text != "AND"
            parts[-1].append(each)
        either = any(each.text == "OR" and each.depth == token.depth for part in parts for each in part)
        if either or len(parts) == 1:
            yield parts[0][0].start, parts[-1][-1].end, "true"
        else:
            for number, part in enumerate(parts):
                start = part[0].start if number == 0 else ands[number - 1].start
                end = ands[0].end if number == 0 else part[-1].end
                yield start, end, ""


def _words(sql: str) -> Iterator[Edit]:
    said = re.sub(r"--[^\n]*", lambda comment: " " * len(comment[0]), sql)
    for pattern, instead in WORDS.items():
        for match in re.finditer(pattern, said):
            yield *match.span(), instead


def _line(text: str) -> str:
    line = " ".join(re.sub(r"--[^\n]*", "", text).split())
    return line if len(line) <= 90 else f"{line[:88]} …"
