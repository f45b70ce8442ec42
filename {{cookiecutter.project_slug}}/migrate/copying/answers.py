"""The new names of an example: from the options, or from a person's answers."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from alembic.util import CommandError

from migrate.copying.adapt import Name
from migrate.copying.renaming import ID, Renaming

KEY_TYPES = ("uuid", "bigint", "integer", "text")
# The characters of a new name; a schema comes before a point. A label may have more.
PLAIN = re.compile(r"[^\W\d][\w -]*")
LABEL = re.compile(r"[\w .,/-]+")

Ask = Callable[[str], str]


def renaming(
    names: Sequence[Name],
    given: Mapping[str, Sequence[str]],
    *,
    id_: str = ID,
    same: bool = False,
    ask: Ask | None = None,
) -> Renaming:
    """Return the new names of an example.

    Args:
        names: the names of the `Adapt:` lines.
        given: the options by kind of name, as NEW in the order of the names or as OLD=NEW.
        id_: the key column of the tables.
        same: keep each name that is not given.
        ask: called with a question, returns the answer; without it, a missing name is an error.

    Raises:
        CommandError: a name is missing, is given once too often, or cannot be used.
    """
    olds = {
        kind: list(dict.fromkeys(name.text for name in names if name.kind == kind))
        for kind in ("table", "key", "column", "label", "member", "name")
    }
    answers = {kind: _paired(kind, known, given.get(kind, [])) for kind, known in olds.items()}
    answers["name"] = dict.fromkeys(olds["name"], "") | answers["name"]
    missing = [(kind, old) for kind, known in olds.items() for old in known if old not in answers[kind]]
    if missing and not same and ask is None:
        options = " ".join(f"--{kind} {old}=…" for kind, old in missing)
        raise CommandError(f"give the new names: {options} (or --same, to keep each name that is not given)")
    for kind, old in missing:
        answers[kind][old] = ask(f"{kind} {old} [{old}]: ").strip() if ask and not same else ""
    chosen = {kind: {old: new or old for old, new in pairs.items()} for kind, pairs in answers.items()}
    schemas = {new.rpartition(".")[0] for new in chosen["table"].values()}
    if len(schemas) > 1:
        raise CommandError("all tables of a scenario have to be in one schema")
    schema = "".join(schemas)
    tables = {old: new.rpartition(".")[2] for old, new in chosen["table"].items()}
    if len(set(tables.values())) < len(tables):
        raise CommandError("two tables of a scenario cannot become the same table")
    for kind, pairs in {**chosen, "table": tables}.items():
        for new in pairs.values():
            _check(kind, new)
    for name in filter(None, (schema, id_)):
        _check("name", name)
    return Renaming(
        tables=tables,
        others={old: new for kind in ("column", "name") for old, new in chosen[kind].items()},
        literals=chosen["label"] | chosen["member"],
        keys=chosen["key"],
        schema=schema,
        id=id_,
    )


def _paired(kind: str, olds: Iterable[str], given: Iterable[str]) -> dict[str, str]:
    """Return the new names by the old ones."""
    olds = list(olds)
    pairs, bare = {}, []
    for each in given:
        old, equals, new = each.partition("=")
        if equals and old not in olds:
            raise CommandError(f"--{kind} {each}: the scenario has {_listed(kind, olds)}")
        if equals:
            pairs[old] = new
        else:
            bare.append(each)
    open_ = [old for old in olds if old not in pairs]
    if len(bare) > len(open_):
        raise CommandError(f"--{kind} {bare[len(open_)]}: the scenario has {_listed(kind, olds)}")
    return pairs | dict(zip(open_, bare, strict=False))


def _listed(kind: str, olds: Sequence[str]) -> str:
    return f"no {kind}" if not olds else f"only the {kind}{'s' if len(olds) > 1 else ''} {', '.join(olds)}"


def _check(kind: str, new: str) -> None:
    if kind == "key":
        if new not in KEY_TYPES:
            raise CommandError(f"--key {new}: a key is one of {', '.join(KEY_TYPES)}")
    elif kind in ("label", "member"):
        if not LABEL.fullmatch(new):
            raise CommandError(f"--{kind} {new!r}: use letters, digits, blanks and _ . , / -")
    elif not PLAIN.fullmatch(new):
        raise CommandError(
            f"--{kind} {new!r}: a name that can be copied to begins with a letter, and holds letters, "
            "digits, blanks, _ and -"
        )
