"""SQL as tokens: which of them are names of the example, and the SQL with other names."""

import re
from typing import NamedTuple

from migrate.copying.renaming import ID, Renaming, quoted

# {name} is a field of an f-string; \0 separates two strings that Python joins.
TOKEN = re.compile(
    r"""
    (?P<comment>--[^\n]*)
    | (?P<string>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<name>(?:[^\W\d]|\{\w+\})(?:[\w]|\{\w+\})*)
    | (?P<number>\d+)
    | (?P<space>[\s\0]+)
    | (?P<operator>::|:=|.)
    """,
    re.VERBOSE | re.DOTALL,
)

FIELD = re.compile(r"\{\w+\}")
# Tokens before a name: a field of an f-string after one of these is a name, not an expression.
BEFORE_NAME = {
    "TABLE",
    "INDEX",
    "CONSTRAINT",
    "TO",
    "PARTITION",
    "ON",
    "ONLY",
    "TRIGGER",
    "FROM",
    "UPDATE",
    "EXISTS",
}
# Tokens before the name of a relation.
BEFORE_RELATION = {
    "TABLE", "VIEW", "FROM", "JOIN", "INTO", "UPDATE", "ON", "ONLY", "ANALYZE", "REFERENCES", "LIKE",
    "PARTITION", "PARTITION OF", "SEQUENCE", "SEQUENCE NAME", "DOMAIN", "STATISTICS",
}  # fmt: skip
# Functions that take the name of a relation as text.
TAKES_NAME = {"to_regclass", "pg_get_serial_sequence", "pg_relation_size"}
# The server's own functions, whatever a column is called.
FUNCTIONS = {"clock_timestamp", "statement_timestamp", "to_date", "to_timestamp", "transaction_timestamp"}
# Variables of the backfill loops that are numbers for any type of key.
NUMBERS = {"batch_size", "number", "next", "total", "done", "moved"}


class Token(NamedTuple):
    """A piece of SQL: its kind and its text."""

    kind: str
    text: str


class Statement(NamedTuple):
    """The tokens of a statement, and those of them that are no white space or comment."""

    tokens: list[Token]
    places: list[int]

    def near(self, place: int, distance: int) -> str:
        """Return the text of the token at a distance from another one; "" if there is none."""
        there = place + distance
        return self.tokens[self.places[there]].text if 0 <= there < len(self.places) else ""

    @property
    def variables(self) -> set[str]:
        """The variables that a block declares."""
        return {
            self.near(place, 0)
            for place in range(len(self.places))
            if self.near(place, -1) in ("DECLARE", ";")
            and re.fullmatch(r"CONSTANT|[a-z]\w*", self.near(place, 1))
        }


def read(text: str) -> Statement:
    """Return SQL as tokens."""
    tokens = [Token(match.lastgroup or "", match[0]) for match in TOKEN.finditer(text)]
    return Statement(tokens, [n for n, token in enumerate(tokens) if token.kind not in ("space", "comment")])


def is_type(statement: Statement, place: int) -> bool:
    """Whether a token is at the place of a type: after ::, a variable, or CONSTANT."""
    before = statement.near(place, -1)
    named = bool(re.fullmatch(r"[a-z_]\w*", before)) and statement.near(place, -2) != "AS"
    return before in ("::", "CONSTANT", "RETURNS", "TYPE") or named


def renamed(text: str, renaming: Renaming) -> str:
    """Return SQL with other names.

    Args:
        text: one statement or more, or an expression; as in the Python source, without its quotes.
        renaming: the new names.
    """
    statement = read(text)
    place_of = {number: place for place, number in enumerate(statement.places)}
    parts = []
    for number, token in enumerate(statement.tokens):
        match token.kind:
            case "name":
                parts.append(_name(statement, place_of[number], token.text, renaming))
            case "string":
                parts.append(_literal(statement, place_of[number], token.text, renaming))
            case "comment":
                parts.append(prose(token.text, renaming))
            case _:
                parts.append(token.text)
    return "".join(parts)


def _name(statement: Statement, place: int, text: str, renaming: Renaming) -> str:
    before = statement.near(place, -1)
    if text in renaming.keys and _is_key_type(statement, place, text):
        return renaming.keys[text]
    if FIELD.fullmatch(text) and before not in BEFORE_NAME:
        return text
    if FIELD.search(text):
        return _relation(statement, place, _in_quotes(renaming.new(text), renaming), renaming)
    if not renaming.knows(text) or (text in FUNCTIONS and statement.near(place, 1) == "("):
        return _out_of_the_way(statement, place, text, renaming)
    if text in renaming.others and is_type(statement, place) and "_" not in text:
        return text
    return _relation(statement, place, quoted(renaming.new(text)), renaming, text)


def _relation(statement: Statement, place: int, name: str, renaming: Renaming, old: str = "") -> str:
    """Return a name, with the schema if it is the name of an object in a schema."""
    before, after = statement.near(place, -1), statement.near(place, 1)
    if not renaming.schema or before in (".", "AS", "CONSTRAINT"):
        return name
    words = [statement.near(place, -n) for n in range(1, 8)]
    of_a_table = old in renaming.others or old == ID
    is_table = old in renaming.tables and before != "TO"
    two = f"{words[1]} {before}"
    is_relation = not BEFORE_RELATION.isdisjoint((before, two)) and two != "DISTINCT FROM"
    is_index = (
        before in ("INDEX", "CONCURRENTLY", "EXISTS")
        and words[1] != "USING"
        and "INDEX" in words
        and not {"ALTER", "DROP", "REINDEX"}.isdisjoint(words)
    )
    is_function = after == "(" and old not in renaming.tables
    is_type_name = before in ("TYPE", "::") or (is_type(statement, place) and words[1] == "COLUMN")
    if is_table or is_index or (not of_a_table and (is_relation or is_function or is_type_name)):
        return f"{quoted(renaming.schema)}.{name}"
    return name


def _is_key_type(statement: Statement, place: int, text: str) -> bool:
    before = statement.near(place, -1)
    if text == "uuid":
        return True
    return is_type(statement, place) and before not in NUMBERS | {"::", "CONSTANT"}


def _out_of_the_way(statement: Statement, place: int, text: str, renaming: Renaming) -> str:
    """Return another name for a variable, if a new column has the variable's name."""
    taken = text in renaming.forms.values() and text in statement.variables
    return f"{text}_" if taken and statement.near(place, -1) != "." else text


def _literal(statement: Statement, place: int, text: str, renaming: Renaming) -> str:
    body = text[1:-1]
    before = [statement.near(place, -n) for n in (1, 2)]
    as_name = statement.near(place, 1) == "::" and statement.near(place, 2) == "regclass"
    if as_name or (before[0] == "(" and before[1] in TAKES_NAME):
        return f"'{_as_relation(body, renaming)}'"
    if before == ["(", "format"]:
        inner = renamed(body, renaming)
        return f"'{re.sub(r'(?<=FROM )%I|(?<=UPDATE )%I', '%s', inner) if renaming.schema else inner}'"
    if before[0] == "EXECUTE":
        return f"'{renamed(body, renaming)}'"
    if body in renaming.literals:
        return f"'{renaming.literals[body]}'"
    if body in renaming.tables and before[0] in ("[", ",") and renaming.schema:
        return f"'{_as_relation(body, renaming)}'"  # for a format() with %s
    if re.fullmatch(r"[a-z_]\w*", body):
        return f"'{renaming.new(body)}'"
    return f"'{prose(body, renaming)}'"


def _as_relation(name: str, renaming: Renaming) -> str:
    new = _in_quotes(renaming.new(name), renaming) if FIELD.search(name) else quoted(renaming.new(name))
    return f"{quoted(renaming.schema)}.{new}" if renaming.schema else new


def _in_quotes(name: str, renaming: Renaming) -> str:
    return f'"{name}"' if renaming.quotes else name


def prose(text: str, renaming: Renaming) -> str:
    """Return a sentence with other names: of tables, of their rows, and names with underscores.

    If a column's name is an English word, it counts as a name only after its table, or in backticks.
    """

    def word(match: re.Match[str]) -> str:
        article, old = match["article"] or "", match["word"]
        new = _word(old, match.string[: match.start("word")], renaming)
        if article and new != old:
            article = article[0] + ("n " if new[0].lower() in "aeiou" else " ")
        return article + new

    return re.sub(r"(?P<article>\b[Aa]n? )?(?P<word>[^\W\d]\w*)", word, text)


def _word(old: str, before: str, renaming: Renaming) -> str:
    """Return the new form of a word, given the text before it."""
    if old in renaming.slugs:
        return renaming.slugs[old]
    if behind := re.search(r"(\w+)\.$", before):
        return renaming.new(old) if behind[1] in renaming.tables else old
    is_word = old in renaming.others or old == ID
    in_backticks = before.count("`") % 2 == 1
    return old if is_word and "_" not in old and not in_backticks else renaming.new(old)
