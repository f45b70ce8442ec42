"""The files of the atlas: pages, their Markdown, the indexes for programs, a stylesheet and a script."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from lab.atlas.markup import KEYS, highlighted, marks
from lab.atlas.measured import TABLE, Measured
from lab.atlas.scenarios import HERE, Scenario, groups, scenarios, synonyms
from lab.twins import Twin

VERSION = 1  # of the format of scenarios.json

LANES = {"code": "Code", "migration": "Migration", "schema": "Tables"}


def write(
    out: Path, facts: Mapping[str, Any], twins: Iterable[Twin], lab: Sequence[Measured], versions: str
) -> list[Scenario]:
    """Write the atlas.

    Args:
        out: the folder, which is new or empty.
        facts: what facts.py has printed.
        twins: the naive ways.
        lab: what was measured of them, what stalls longest first.
        versions: the text of the chain's README.md, which begins with what one should know first.

    Returns:
        The scenarios that it has pages for.

    Raises:
        AtlasError: scenarios.toml does not fit the chain.
    """
    found = scenarios(facts, twins, groups())
    templates = environment()
    parts: dict[str, list[Scenario]] = {}
    for scenario in found:
        parts.setdefault(scenario.part, []).append(scenario)
    whole = {
        "server": facts["server"],
        "parts": parts,
        "order": found,
        "revisions": len(facts["revisions"]),
        "count": len(found),
        "lanes": LANES,
        "lab": {one.twin: one for one in lab},
        "worst": lab[:TABLE],
        "page_of": {step.slug: scenario for scenario in found for step in scenario.steps},
        "keys": KEYS,
    }
    out.mkdir(parents=True)
    for scenario in found:
        mine = {**whole, "scenario": scenario}
        save(out / f"{scenario.slug}.html", compact(templates.get_template("scenario.html").render(mine)))
        save(out / f"{scenario.slug}.md", templates.get_template("scenario.md").render(mine))
    first = {
        "lesson": lesson(versions, found),
        "picture": picture(facts["revisions"], {part: anchor(part) for part in parts}),
    }
    save(out / "index.html", compact(templates.get_template("index.html").render({**whole, **first})))
    save(out / "llms.txt", templates.get_template("llms.txt").render(whole))
    save(out / "scenarios.json", dumped(catalogue(found, facts["server"])))
    save(out / "scenarios.schema.json", (HERE / "scenarios.schema.json").read_text(encoding="utf-8"))
    save(out / "atlas.css", (HERE / "atlas.css").read_text(encoding="utf-8"))
    save(out / "atlas.js", script(found, facts["search"]))
    save(out / ".nojekyll", "")  # GitHub Pages publishes the files as they are
    return found


def save(path: Path, text: str) -> None:
    """Write a file, with one line's end at its end."""
    path.write_text(text.rstrip("\n") + "\n" if text else "", encoding="utf-8", newline="\n")


# What HTML does not need: the ends of these elements, always or before a block; quotes around a plain value.
TAG = re.compile(r"(<[^>]+>)")
ENDS = re.compile(
    r"</(?:li|dt|dd|option)>|</p>(?=\s*<(?:p|ul|ol|div|dl|form|figure|figcaption|pre|table|h[1-6])\b)"
)
VALUE = re.compile(r'="([^\s"\'=<>`]+)"')
IN_TEXT = {"&#34;": '"', "&#39;": "'", "&gt;": ">"}


def compact(html: str) -> str:
    """Return a page in fewer bytes that a browser reads as the same."""
    parts = TAG.split(ENDS.sub("", html))
    for number, part in enumerate(parts):
        if number % 2 and not part.endswith("/>"):  # there the slash would belong to the value
            parts[number] = VALUE.sub(r"=\1", part.replace(' class=""', ""))
        elif not number % 2:
            for escaped, plain in IN_TEXT.items():
                part = part.replace(escaped, plain)
            parts[number] = part
    return "".join(parts)


def dumped(value: object) -> str:
    """Return a value as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def environment() -> Environment:
    """Return Jinja2's, with what the templates use. It escapes in HTML, and in nothing else."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "inline": inline,
        "code": highlighted,
        "marks": marks,
        "anchor": anchor,
        "shown": shown,
        "plain": plain_value,
    }
    return made


def anchor(text: str) -> str:
    """Return a text as the name of a place in a page."""
    return re.sub(r"\W+", "-", text.lower()).strip("-")


# In a docstring: `code`, names with an underscore or a dot in them, SQL words.
WORDS = re.compile(
    r"`([^`]+)`|(\b[a-z]\w*_\w+\b(?:\(\))?|\b[a-z]+\.[a-z]\w+\b)|(\b[A-Z]{2,}(?: (?:[A-Z]{2,}|…))*\b)"
)
NO_CODE = {"JSON", "URL", "SQL", "UTC", "API", "ID", "DDL", "PDF"}


def inline(text: str) -> Markup:
    """Return a sentence of a docstring as HTML, with what is code set as code."""
    parts, end = [], 0
    for found in WORDS.finditer(text):
        word = next(group for group in found.groups() if group)
        if word in NO_CODE:
            continue
        parts += [escape(text[end : found.start()]), Markup("<code>{}</code>").format(word)]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])


def shown(cell: Mapping[str, str | None]) -> Markup:
    """Return a value of a row as HTML."""
    if not cell:
        return Markup("")
    value = cell["value"]
    if value is None:
        return Markup('<i class="null">NULL</i>')
    if value == "" or value != value.strip() or re.search(r"\s\s|[\t\n\xa0]", value):
        visible = value.replace("\t", "⇥").replace("\n", "⏎").replace("\xa0", "⍽")
        return Markup("<q>{}</q>").format(visible)
    return escape(value)


def plain_value(cell: Mapping[str, str | None]) -> str:
    """Return a value of a row for Markdown."""
    if not cell:
        return ""
    value = cell["value"]
    return "NULL" if value is None else f"'{value}'".replace("|", "\\|").replace("\n", "⏎").replace("\t", "⇥")


def lesson(readme: str, found: Sequence[Scenario]) -> Markup:
    """Return what people have written into the chain's README.md, as HTML, with names for its headings."""
    written = re.sub(r"<!-- index:.*?<!-- /index -->", "", readme, flags=re.DOTALL)
    written = written.split("\n## The ledger")[0]
    written = re.sub(r"^# .*\n", "", written, count=1)
    written = re.sub(r"^(##+) ", r"#\1 ", written, flags=re.MULTILINE)
    for one in found:
        for step in one.steps:
            written = written.replace(f"]({Path(step.path).name})", f"]({one.slug}.html#{step.slug})")
    reader = MarkdownIt("commonmark").enable("table")
    tokens = reader.parse(written.strip())
    for heading, text in pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrSet("id", anchor(text.content))
    rendered: str = reader.renderer.render(tokens, reader.options, {})
    rendered = rendered.replace("<pre>", '<pre tabindex="0">')  # so that it scrolls without a mouse
    wide = '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>'  # on a phone
    rendered = rendered.replace("<table>", wide).replace("</table>", "</table></div>")
    return Markup(rendered)  # noqa: S704  (our own file)


def script(found: Sequence[Scenario], search: Mapping[str, Any]) -> str:
    """Return the script, with what it searches, and by which words and weights."""
    pages = [{"slug": scenario.slug, "part": scenario.part, **scenario.text} for scenario in found]
    data = "\n".join(f"{dumped(page)}," for page in pages)
    known = {"SYNONYMS": synonyms(), "FILLERS": search["fillers"], "WEIGHTS": search["weights"]}
    constants = "\n".join(f"const {name} = {dumped(value)};" for name, value in known.items())
    source = (HERE / "atlas.js").read_text(encoding="utf-8")
    return f"const PAGES = [\n{data}\n];\n{constants}\n{source}"


def catalogue(found: Sequence[Scenario], server: str) -> dict[str, Any]:
    """Return all scenarios for a program."""
    return {
        "$schema": "scenarios.schema.json",
        "version": VERSION,
        "server": server,
        "scenarios": [
            {
                "slug": scenario.slug,
                "title": scenario.title,
                "part": scenario.part,
                "also": [word.strip() for word in scenario.also.split(",") if word.strip()],
                "page": f"{scenario.slug}.html",
                "markdown": f"{scenario.slug}.md",
                "needs": scenario.needs,
                "adapt": [f"{name.kind} {name.text}" for name in scenario.adapt],
                "related": [other.slug for other in scenario.related],
                "steps": [
                    {
                        "slug": step.slug,
                        "wish": step.wish,
                        "file": step.path,
                        "transaction": not step.autocommit["upgrade"],
                        "locks": step.ledger["upgrade"]["locks"] if step.ledger else {},
                        "rewrites": step.ledger["upgrade"]["rewrites"] if step.ledger else [],
                        "naive": [one.name for one in scenario.naive.get(step.slug, [])],
                    }
                    for step in scenario.steps
                ],
            }
            for scenario in found
        ],
    }


# The picture of the chain.


@dataclass
class Box:
    """A part of the chain, or where it branches a revision.

    Attributes:
        label: its name.
        link: where it leads.
        row: from the top.
        lane: from the left.
        parents: the names of the boxes before it, and whether it only needs them.
    """

    label: str
    link: str
    row: int
    lane: int = 0
    parents: dict[str, bool] = field(default_factory=dict)

    @property
    def x(self) -> int:
        return LEFT + self.lane * LANE

    @property
    def y(self) -> int:
        return self.row * ROW + ROW // 2


ROW, LANE, LEFT = 34, 22, 12


def picture(revisions: Sequence[Mapping[str, Any]], anchors: Mapping[str, str]) -> dict[str, Any]:
    """Return the chain's shape: a line for a part, but for each revision where it branches."""
    boxes = boxed(revisions, anchors)
    lines = [
        {"path": line(boxes[parent], box, needed), "needs": needed}
        for box in boxes.values()
        for parent, needed in box.parents.items()
    ]
    lanes = 1 + max(box.lane for box in boxes.values())
    size = {"text": LEFT + lanes * LANE, "height": len(boxes) * ROW, "width": 340}
    return {"boxes": list(boxes.values()), "lines": lines, **size}


def boxed(revisions: Sequence[Mapping[str, Any]], anchors: Mapping[str, str]) -> dict[str, Box]:
    """Return the boxes by their names, each beneath a parent, or beside that one's other child."""
    branched = {revision["part"] for revision in revisions if len(revision["parents"]) > 1}
    counts = Counter(revision["part"] for revision in revisions)
    of: dict[str, str] = {}
    boxes: dict[str, Box] = {}
    for revision in revisions:
        part = revision["part"]
        name = of[revision["id"]] = revision["slug"] if part in branched else part
        if name in boxes:
            continue
        label = name if part in branched else f"{part} · {counts[part]}"
        box = Box(label, f"#{anchors[part]}", len(boxes))
        box.parents = dict.fromkeys((of[parent] for parent in revision["parents"]), False)
        box.parents |= dict.fromkeys((of[parent] for parent in revision["needs"]), True)
        before = [parent for parent, needed in box.parents.items() if not needed]
        if before:
            beside = [other for other in boxes.values() if other.parents.get(before[0]) is False]
            box.lane = min(boxes[parent].lane for parent in before) + (len(beside) if len(before) == 1 else 0)
        boxes[name] = box
    return boxes


def line(start: Box, end: Box, needed: bool) -> str:
    """Return the path from one box to another: it bends where it begins, or where it ends."""
    if start.x == end.x:
        return f"M{start.x},{start.y} V{end.y}"
    if end.x > start.x and not needed:
        bend = start.y + ROW
        return f"M{start.x},{start.y} C{start.x},{bend} {end.x},{start.y} {end.x},{bend} V{end.y}"
    bend = end.y - ROW
    return f"M{start.x},{start.y} V{bend} C{start.x},{end.y} {end.x},{bend} {end.x},{end.y}"
