"""Old and new names, and the names that are made from them."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy.dialects.postgresql.base import PGDialect

ID = "id"
LONGEST = 63  # bytes of a name that PostgreSQL keeps

_preparer = PGDialect().identifier_preparer  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Renaming:
    """The new names of an example.

    Attributes:
        tables: new names of tables.
        others: new names of columns, and of other objects in the database.
        literals: new labels, and new keys of JSON.
        keys: new types of the tables' ids, by the old type.
        schema: the schema of the tables; "" leaves it to the search_path.
        id: the key column of the tables; in the chain it is `id`.
        slugs: new slugs of the revisions.
    """

    tables: Mapping[str, str]
    others: Mapping[str, str] = field(default_factory=dict)
    literals: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    schema: str = ""
    id: str = ID
    slugs: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def forms(self) -> dict[str, str]:
        """The words that occur in names, and the words that replace them."""
        singular = {
            one: singular_of(new) for old, new in self.tables.items() if (one := singular_of(old)) != old
        }
        return {**singular, **self.tables, **self.others}

    @cached_property
    def _parts(self) -> re.Pattern[str]:
        return _any_of(self.forms, r"(?<![^\W_])", r"(?![^\W_])")

    def knows(self, name: str) -> bool:
        """Whether a name belongs to the example, or is made from such names."""
        return name == ID or bool(self._parts.search(name))

    def new(self, name: str) -> str:
        """Return the new form of a name, which may be made from others."""
        if name == ID:
            return self.id
        if not self.forms:
            return name
        made = self._parts.sub(lambda match: self.forms[match[0]], name)
        return shortened(made) if made != name else name

    def slug(self, slug: str) -> str:
        """Return a name for a copy of a revision."""
        forms = {old: as_slug(new) for old, new in self.forms.items()}
        forms |= {plural_of(old): plural_of(as_slug(new)) for old, new in self.others.items()} | forms
        return _any_of(forms, r"(?<![^_])", r"(?![^_])").sub(lambda match: forms[match[0]], slug)

    @property
    def quotes(self) -> bool:
        """Whether a new name has to be quoted."""
        return any(quoted(new) != new for new in self.forms.values())


def quoted(name: str) -> str:
    """Return a name as SQL."""
    return str(_preparer.quote(name))


def shortened(name: str) -> str:
    """Return a name that is short enough for PostgreSQL, made as SQLAlchemy makes it."""
    if len(name.encode()) <= LONGEST:
        return name
    digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[-4:]
    return f"{name[: LONGEST - 8]}_{digest}"


def singular_of(name: str) -> str:
    """Return the singular of a table's name: the name of one row."""
    if name.endswith("ies"):
        return name.removesuffix("ies") + "y"
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name


def plural_of(name: str) -> str:
    """Return the plural of a name."""
    return name.removesuffix("y") + "ies" if name.endswith("y") else f"{name}s"


def as_slug(name: str) -> str:
    """Return a name in the form of file names: Order Items is order_items."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"\W+", "_", apart).strip("_").lower()


def _any_of(words: Mapping[str, str], before: str, after: str) -> re.Pattern[str]:
    longest_first: Iterator[str] = iter(sorted(words, key=len, reverse=True))
    return re.compile(rf"{before}(?:{'|'.join(map(re.escape, longest_first)) or '(?!)'}){after}")
