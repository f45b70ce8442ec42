"""The index of the chain: "I want to …", and the revision that shows how."""

import tomllib
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from migrate.chain import Revision
from migrate.markdown import Place, link, row

PLACE = Place("index", "<!-- index: written by `make index` from the docstrings -->", "<!-- /index -->")

# The parts of the chain, beside its revisions.
PARTS = "parts.toml"
# The part of a revision that parts.toml does not name.
OWN = "Your own"


def lines(chain: Sequence[Revision], folder: Path) -> list[str]:
    """Return the index as lines of Markdown, with links from a file in `folder`."""
    if not chain:
        return ["", "There is no revision yet."]
    parts = parts_of(chain)
    found = _picture(chain, parts)
    for part, members in groupby(chain, key=lambda revision: parts[revision.id]):
        title = ["", f"### {part}"] if len(set(parts.values())) > 1 else []
        found += [*title, "", row(["I want to …", "revision"]), row(["---", "---"])]
        for revision in members:
            wish = revision.fields.get("Scenario", revision.summary)
            found.append(row([wish, link(revision, folder)]))
    return found


def _picture(chain: Sequence[Revision], parts: dict[str, str]) -> list[str]:
    """Return the chain's shape: a box for each part; where it branches, a box for each revision."""
    branched = {parts[revision.id] for revision in chain if len(revision.parents) > 1}
    boxes = {
        revision.id: revision.slug if parts[revision.id] in branched else parts[revision.id]
        for revision in chain
    }
    names = {box: f"n{number}" for number, box in enumerate(dict.fromkeys(boxes.values()))}
    if len(names) < 2:
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


def parts_of(chain: Sequence[Revision]) -> dict[str, str]:
    """Return the part of the chain that each revision belongs to, by its id."""
    begun: dict[str, str] = {}
    ends: set[str] = set()
    for folder in {revision.path.parent for revision in chain}:
        if (path := folder / PARTS).exists():
            for letter, part in tomllib.loads(path.read_text(encoding="utf-8")).items():
                first, last = part["revisions"]
                begun[first] = f"{letter}. {part['title']}"
                ends.add(last)
    found: dict[str, str] = {}
    current = OWN
    for revision in chain:
        current = begun.get(revision.slug, current)
        found[revision.id] = current
        if revision.slug in ends:
            current = OWN
    return found
