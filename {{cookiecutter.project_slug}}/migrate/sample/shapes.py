"""Text of a given shape: SQL that makes strings that match a pattern."""

import re
import string
from collections.abc import Iterator

LETTERS, DIGITS = string.ascii_lowercase, string.digits
CLASSES = {"d": DIGITS, "w": LETTERS, "s": " ", "D": LETTERS, "W": "-", "S": LETTERS}
POSIX = {
    "alpha": LETTERS, "lower": LETTERS, "upper": LETTERS.upper(), "digit": DIGITS, "alnum": LETTERS + DIGITS,
    "word": LETTERS, "xdigit": DIGITS + "abcdef", "print": LETTERS, "graph": LETTERS, "space": " ",
    "punct": "-",
}  # fmt: skip
OTHERS = LETTERS + LETTERS.upper() + DIGITS + "-_. "
# How often an element is repeated if any number of times is allowed.
SOME = 6


class PatternError(ValueError):
    """The pattern has an element that is not supported here."""


def counted(characters: list[str], number: str = "{n}") -> str:
    """Return SQL for a string that counts, like the wheels of a meter.

    Args:
        characters: for each place, the characters that it may have.
        number: SQL for the number that the string shows.
    """
    parts: list[str] = []
    fixed, turns = "", 1
    for choice in reversed(characters):
        if len(choice) == 1 or turns > 10**12:
            fixed = choice[0] + fixed
            continue
        if fixed:
            parts.append(_quoted(fixed))
            fixed = ""
        place = f"{number} / {turns} % {len(choice)}" if turns > 1 else f"{number} % {len(choice)}"
        parts.append(f"substr({_quoted(choice)}, (1 + {place})::integer, 1)")
        turns *= len(choice)
    if fixed or not parts:
        parts.append(_quoted(fixed))
    return " || ".join(reversed(parts))


def matching(pattern: str) -> str:
    """Return SQL for strings that match a regular expression; they differ if the expression allows it.

    Raises:
        PatternError: it has other elements than literals, classes, groups, branches and repetition.
    """
    return counted(_Pattern(pattern).read())


def like(pattern: str) -> str:
    """Return SQL for strings that match a pattern of LIKE."""
    parts = [_quoted(part.replace("_", "a")) for part in pattern.split("%")]
    return " || {n} || ".join(parts)


def _quoted(value: str) -> str:
    escaped = value.replace("'", "''").replace("\\", "\\\\")
    return f"E'{escaped}'" if "\\" in value else f"'{escaped}'"


class _Pattern:
    """A reader of regular expressions. It takes the first of several branches."""

    def __init__(self, pattern: str) -> None:
        self._rest = pattern

    def read(self) -> list[str]:
        """Return, for each place of a matching string, the characters that it may have."""
        places = self._branches()
        if self._rest:
            raise PatternError(self._rest)
        return places

    def _next(self, count: int = 1) -> str:
        if len(self._rest) < count:
            raise PatternError("it ends too early")
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def _branches(self) -> list[str]:
        first = self._sequence()
        while self._rest.startswith("|"):
            self._next()
            first = first or self._sequence()
            self._sequence()
        return first

    def _sequence(self) -> list[str]:
        places: list[str] = []
        while self._rest and self._rest[0] not in "|)":
            item = self._item()
            places += item * self._times(len(item) == 1 and len(item[0]) > 1)
        return places

    def _item(self) -> list[str]:
        character = self._next()
        if character in "^$":
            return []
        if character == ".":
            return [LETTERS]
        if character == "\\":
            return self._escape()
        if character == "[":
            return [self._class()]
        if character == "(":
            if self._rest.startswith("?"):
                if not self._rest.startswith("?:"):
                    raise PatternError("(?")
                self._next(2)
            inside = self._branches()
            if self._next() != ")":
                raise PatternError("a group has no end")
            return inside
        if character in "*+?{":
            raise PatternError(character)
        return [character]

    def _escape(self) -> list[str]:
        character = self._next()
        if character in "AZmMyY":
            return []
        if character.isalnum() and character not in CLASSES:
            raise PatternError(f"\\{character}")
        return [CLASSES.get(character, character)]

    def _class(self) -> str:
        negated = self._rest.startswith("^")
        if negated:
            self._next()
        found = "".join(self._members())
        if negated:
            found = "".join(each for each in OTHERS if each not in found)
        if not found:
            raise PatternError("[]")
        return "".join(dict.fromkeys(found))

    def _members(self) -> Iterator[str]:
        first = True
        while first or not self._rest.startswith("]"):
            first = False
            if named := re.match(r"\[:(\w+):\]", self._rest):
                self._next(named.end())
                yield POSIX.get(named[1], LETTERS)
                continue
            character = self._next()
            if character == "\\":
                yield from self._escape()
            elif re.match(r"-[^\]]", self._rest):
                last = self._next(2)[1]
                if last == "\\":
                    last = self._next()
                yield "".join(map(chr, range(ord(character), min(ord(last), ord(character) + 200) + 1)))
            else:
                yield character
        self._next()

    def _times(self, varied: bool) -> int:
        if found := re.match(r"\{(\d+)(,?)(\d*)\}", self._rest):
            least = int(found[1])
            most = int(found[3]) if found[3] else (least if not found[2] else least + SOME)
        elif found := re.match(r"[*+?]", self._rest):
            least, most = {"*": (0, SOME), "+": (1, SOME), "?": (0, 1)}[found[0]]
        else:
            return 1
        self._next(found.end())
        if self._rest.startswith("?"):
            self._next()
        if most == 1:
            return least
        return min(most, max(least, SOME)) if varied else max(least, 1)
