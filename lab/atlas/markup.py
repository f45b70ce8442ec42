"""Code as HTML, and where in it the names are that a reader replaces by their own."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import NamedTuple

from markupsafe import Markup
from pygments.lexer import Lexer
from pygments.lexers import PostgresLexer, PythonLexer
from pygments.token import Comment, Keyword, String, _TokenType

# What is told apart, by its element: few, and short ones, so that a page stays small.
ELEMENTS: dict[_TokenType, str] = {Keyword: "b", Comment: "i", String: "u"}

# How a text in Python begins that is SQL.
SQL = re.compile(
    r"\W*(ALTER|ANALYZE|BEGIN|COMMENT|CREATE|DECLARE|DELETE|DO|DROP|FOR EACH|INSERT|LOCK|REFRESH|REINDEX"
    r"|SELECT|SET|UPDATE|WITH)\b"
)

# Types of a key.
KEYS = ("uuid", "bigint", "integer")

# What is a type at one place may be the name of a column at another: a type stands behind these.
TYPES = {*KEYS, "boolean", "date", "inet", "json", "jsonb", "name", "text", "time", "timestamp"}
BEFORE_A_TYPE = {"::", "AS", "CONSTANT", "RETURNS", "SETOF", "TYPE"}

# What `Adapt:` names.
PLURALS = {"tables": "table", "columns": "column", "names": "name", "labels": "label", "members": "member"}

# How each kind stands in code: as a name or within others, as a whole word in quotes, as a type.
PLACES = {"table": "name", "column": "name", "name": "name", "label": "word", "member": "word", "key": "type"}


@dataclass(frozen=True)
class Adapted:
    """A name of the example, to be replaced in a copy.

    Attributes:
        kind: "table", "column", "key", "label" and so on.
        text: what it is in the example.
        table: the table that a column or key belongs to.
        typed: whether it can be replaced word by word. The type of the key of a table that the
            scenario makes is said in Python, and in more than a word.
    """

    kind: str
    text: str
    table: str = ""
    typed: bool = True


def adapted(lines: Sequence[str]) -> list[Adapted]:
    """Return what the `Adapt:` lines of a scenario name, each name once.

    A line is `table documents, key uuid, columns file_size user_id, labels new old`; a key and
    columns belong to the table before them. What is `new` is made by the revision.
    """
    found: dict[tuple[bool, str], Adapted] = {}
    for line in lines:
        table, made = "", False
        for item in line.split(", "):
            new = item.startswith("new ")
            kind, *words = item.removeprefix("new ").split()
            kind = PLURALS.get(kind, kind)
            for word in words:
                if kind == "table":
                    table, made = word, new
                of_a_table = kind in ("column", "key")
                name = Adapted(kind, word, table if of_a_table else "", not (kind == "key" and made))
                known = found.setdefault((kind == "key", word), name)
                if known.typed and not name.typed:
                    found[kind == "key", word] = name
    return list(found.values())


def highlighted(code: str, language: str) -> Markup:
    """Return code in "python" or "sql" as HTML."""
    html = Markup("")
    pieces = [(piece.element, piece.text) for piece in _pieces(code.rstrip("\n"), language)]
    for number, (_, text) in enumerate(pieces):
        if number and text.isspace():
            pieces[number] = (pieces[number - 1][0], text)  # blanks go with what is before them
    for element, run in groupby(pieces, key=lambda piece: piece[0]):
        text = "".join(text for _, text in run)
        html += Markup("<{0}>{1}</{0}>").format(element, text) if element else text
    return html


def marks(code: str, language: str, names: Sequence[Adapted]) -> str:
    """Return where names stand in code, also within names that are made of them.

    Args:
        code: the code.
        language: "python" or "sql".
        names: the names.

    Returns:
        `distance:number` for each place, with blanks between them: how far behind the one before
        it begins, in JavaScript's units, and the name's number.
    """
    by_place: dict[str, dict[str, int]] = {"name": {}, "word": {}, "type": {}}
    for number, name in enumerate(names):
        if name.typed:
            by_place[PLACES[name.kind]][name.text] = number
    whole, words, keys = by_place.values()
    of_names = re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, whole))})(?![^\W_])") if whole else None
    found, end, last, before = [], 0, 0, ""
    for piece in _pieces(code.rstrip("\n"), language):
        places: list[tuple[int, int]] = []
        if not piece.is_code:
            of_a_type = piece.text in TYPES and (
                before in BEFORE_A_TYPE or (before.isidentifier() and not before.isupper())
            )
            if of_a_type:
                places = [(0, keys[piece.text])] if piece.text in keys else []
            elif piece.element == "u" and piece.text in words:
                places = [(0, words[piece.text])]
            elif of_names:
                places = [(match.start(), whole[match[0]]) for match in of_names.finditer(piece.text)]
        for start, number in places:
            place = end + _units(piece.text[:start])
            found.append(f"{place - last}:{number}")
            last = place
        end += _units(piece.text)
        before = piece.text.strip() or before
    return " ".join(found)


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


class Piece(NamedTuple):
    """A token.

    Attributes:
        element: what it is shown as, "" for most.
        text: its text.
        is_code: it is Python, so that what it says is no name of the database.
    """

    element: str
    text: str
    is_code: bool


def _pieces(code: str, language: str) -> Iterator[Piece]:
    tokens = _lexer(language).get_tokens(code)
    for is_string, run in groupby(tokens, key=lambda token: token[0] in String):
        if not is_string:
            for token, text in run:
                yield Piece(_element(token), text, language == "python")
            continue
        text = "".join(text for _, text in run)
        inner = _inside(text, language)
        if inner is None:
            for word in re.split(r"\b", text):
                if word:
                    yield Piece("u", word, False)
        else:
            start = text.index(inner)
            yield Piece("u", text[:start], False)
            yield from _pieces(inner, "sql")
            yield Piece("u", text[start + len(inner) :], False)


def _inside(text: str, language: str) -> str | None:
    """Return the SQL in a string of Python, or the body in one of SQL's between dollars."""
    pattern = r'[a-zA-Z]?("""|"|\')(?P<inner>.*)\1' if language == "python" else r"(\$\w*\$)(?P<inner>.+)\1"
    found = re.fullmatch(pattern, text, re.DOTALL)
    return found["inner"] if found and (language == "sql" or SQL.match(found["inner"])) else None


def _element(token: _TokenType) -> str:
    return next((name for known, name in ELEMENTS.items() if token in known), "")


@cache
def _lexer(language: str) -> Lexer:
    kind = PythonLexer if language == "python" else PostgresLexer
    return kind(stripnl=False, ensurenl=False)
