"""The chain as a list of intentions: "I want to …" and the revision that shows how."""

import os
import tomllib
from collections import Counter
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from alembic.util import CommandError

from migrate.chain import Revision, revisions

START = "<!-- index: written by `make index` from the docstrings -->"
END = "<!-- /index -->"

# By the day of its file name, the part of the chain that a revision belongs to.
PARTS = "parts.toml"


class NoPlaceError(CommandError):
    """The index has no place in the file. The message says which file and what to add."""


def render(folder: Path) -> str:
    """Return the index as Markdown, with links from a file in `folder`."""
    chain = revisions()
    if not chain:
        return f"{START}\n\nThere is no revision yet.\n\n{END}"
    parts = _parts(chain)
    lines = _picture(chain, parts)
    for part, members in groupby(chain, key=lambda revision: parts[revision.id]):
        title = ["", f"### {part}"] if len(set(parts.values())) > 1 else []
        lines += [*title, "", "| I want to … | revision |", "| --- | --- |"]
        lines += [_line(revision, folder) for revision in members]
    return "\n".join([START, *lines, "", END])


def write(path: Path) -> None:
    """Replace the index in a Markdown file.

    Raises:
        NoPlaceError: the file has no markers.
    """
    text = path.read_text(encoding="utf-8")
    try:
        head, rest = text.split(START)
        _, tail = rest.split(END)
    except ValueError:
        raise NoPlaceError(f"{path} has no place for the index: put {START} and {END} into it") from None
    path.write_text(head + render(path.parent) + tail, encoding="utf-8")


def _picture(chain: list[Revision], parts: dict[str, str]) -> list[str]:
    """Return the chain's shape: a box for a part, but for each revision where it branches."""
    branched = {parts[revision.id] for revision in chain if len(revision.parents) > 1}
    boxes = {
        revision.id: revision.slug if parts[revision.id] in branched else parts[revision.id]
        for revision in chain
    }
    names = {box: f"n{number}" for number, box in enumerate(dict.fromkeys(boxes.values()))}
    if len(names) == 1:
        return []
    counts = Counter(boxes.values())
    lines = ["", "```mermaid", "flowchart LR"]
    for box, name in names.items():
        plural = "" if counts[box] == 1 else "s"
        size = "" if box in {revision.slug for revision in chain} else f"<br>{counts[box]} revision{plural}"
        lines.append(f'    {name}["{box}{size}"]')
    arrows = dict.fromkeys(
        (names[boxes[parent]], names[boxes[revision.id]], arrow)
        for revision in chain
        for arrow, parents in (("-->", revision.parents), ("-. needs .->", revision.needs))
        for parent in parents
        if boxes[parent] != boxes[revision.id]
    )
    lines += [f"    {start} {arrow} {end}" for start, end, arrow in arrows]
    return [*lines, "```"]


def _parts(chain: list[Revision]) -> dict[str, str]:
    """Return the part of the chain that each revision belongs to, by its id."""
    titles: dict[str, str] = {}
    for folder in {revision.path.parent for revision in chain}:
        if (path := folder / PARTS).exists():
            titles |= tomllib.loads(path.read_text(encoding="utf-8"))
    return {revision.id: titles.get(revision.path.name[:8], "Your own") for revision in chain}


def _line(revision: Revision, folder: Path) -> str:
    link = quote(os.path.relpath(revision.path, folder.resolve()).replace(os.sep, "/"))
    scenario = revision.fields.get("Scenario", "").replace("|", "\\|")
    return f"| {scenario} | [{revision.slug}]({link}) |"
