"""What was seen, drawn: on a terminal that moves, in a transcript, and in a picture."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from lab.tour.chapters import Chapter
from lab.tour.scene import Frame, Rows, Scene

WIDTH = 100
BLOCKS = " ▁▂▃▄▅▆▇█"
SCALE = ("10 s", "1 s", "100 ms", "10 ms")  # where each row of the line ends; the last begins at 1 ms
MARGIN = 8
COLOURS = {"naive": "red", "right": "green"}
WAYS = {"naive": "The naive way", "right": "The right way"}
# How many lines there are room for: of a statement that runs, of those that have run, of what is said.
ROOMY, NARROW = (8, 6, 3), (3, 3, 1)
TALL = 36  # lines of a terminal
READ = "AccessShareLock"  # what a SELECT wants
# What stands around the statements of a revision; and what the guard asks for first.
NOISE = re.compile(r"SET (lock|statement)_timeout|(BEGIN|COMMIT)$")
GUARD = "LOOP EXECUTE 'LOCK TABLE ' || t || ' IN SHARE UPDATE EXCLUSIVE MODE'"


def heading(chapter: Chapter, number: int, of: int) -> RenderableType:
    """Return the title of a chapter."""
    which = f"{number} of {of}  " if of > 1 else ""
    return Rule(Text(f"{which}{chapter.title}", style="bold"), align="left", style="dim")


def code(text: str, language: str = "sql", lines: int | None = None) -> RenderableType:
    """Return code, of a long one the first lines."""
    every = text.splitlines()
    more = f"\n… {len(every) - lines} more lines" if lines and len(every) > lines + 1 else ""
    shown = "\n".join(every[:lines]) if more else text
    coloured = Syntax(shown + more, language, theme="ansi_dark", background_color="default", word_wrap=True)
    return Padding(coloured, (0, 0, 0, 4))


def introduction(chapter: Chapter, naive: RenderableType, right: RenderableType) -> Iterator[RenderableType]:
    """Yield what is wanted, and the two ways in words and in code."""
    yield Text(chapter.wish)
    for way, words, shown in (("naive", chapter.naive, naive), ("right", chapter.right, right)):
        yield Text()
        yield Text.assemble((f"{WAYS[way]}. ", f"bold {COLOURS[way]}"), words)
        yield shown


def line(frame: Frame, way: str, width: int) -> Iterator[Text]:
    """Yield the rows of the line of latency: each look is a column, each row a power of ten."""
    width -= MARGIN
    values, begun, ended = frame.line, frame.begun, frame.ended
    if ended is not None and len(values) > width:  # the whole of it, with the longest of each part
        part = math.ceil(len(values) / width)
        values = [max(values[at : at + part]) for at in range(0, len(values), part)]
        begun, ended = (None if at is None else at // part for at in (begun, ended))
    first = max(0, len(values) - width)
    for row, label in enumerate(SCALE):
        text = Text(f"{label:>{MARGIN - 1}} ", style="dim")
        for at in range(first, len(values)):
            level = math.log10(max(values[at], 0.001) * 1000) - (len(SCALE) - 1 - row)
            block = BLOCKS[max(0, min(8, math.ceil(8 * level)))]
            during = begun is not None and begun <= at and (ended is None or at < ended)
            text.append(block, style=COLOURS[way] if during else "bright_black")
        yield text


def picture(scene: Scene, frame: Frame, width: int, title: str = "", height: int = TALL) -> RenderableType:
    """Return a moment of a scene.

    Args:
        scene: which.
        frame: what was seen.
        width: columns that it takes.
        title: for which way it is, if not the usual words.
        height: lines of the terminal.
    """
    sql, ran, said = ROOMY if height >= TALL else NARROW
    parts: list[RenderableType] = [*line(frame, scene.way, width - 4)]
    at = frame.line[-1] if frame.line else 0.0
    parts.append(
        Text.assemble(
            "longest answer now ", (duration(at), "bold"), "   clients that wait for the migration now ",
            (str(frame.waiting), "bold"), ", the longest wait ", (duration(frame.stall), "bold"),
        )
    )  # fmt: skip
    for team in frame.teams:
        parts.append(Text(f"{team.name}: {team.transactions:,} transactions, {team.failed:,} failed"))
        if team.error:
            parts.append(Text(f"    {team.error}", style="red"))
    parts += [Text(each, style="yellow", no_wrap=True, overflow="ellipsis") for each in frame.queue]
    parts += statements(frame, sql, ran)
    parts += [
        Text(f"  {each}", style="dim", no_wrap=True, overflow="ellipsis") for each in frame.said[-said:]
    ]
    seconds = f", {frame.seconds:.1f} s" if frame.ran else ""
    return Panel(
        Group(*parts),
        title=Text.assemble(
            (title or WAYS[scene.way], f"bold {COLOURS[scene.way]}"), f" {short(frame.state)}{seconds}"
        ),
        title_align="left",
        width=width,
        box=box.ROUNDED,
        border_style=COLOURS[scene.way],
    )


def statements(frame: Frame, lines: int, of_ran: int) -> Iterator[RenderableType]:
    """Yield the SQL: of what has run one line each, and in full what runs."""
    every = [ran for ran in frame.ran if not NOISE.match(ran.sql)]
    running = every.pop() if every and every[-1].runs else None
    for ran in every[-of_ran:]:
        took = duration(ran.seconds) if ran.seconds is not None else "ended"
        yield Text(f"  {took:>7}  {first_line(ran.sql)}", no_wrap=True, overflow="ellipsis")
    if running:
        yield code(running.sql, lines=lines)


def first_line(sql: str) -> str:
    """Return a statement in one line; of a block what it is about."""
    words = " ".join(re.sub(r"--.*", "", sql).split())
    if sql.startswith("DO "):
        if GUARD in words:
            return "LOCK TABLE … IN SHARE UPDATE EXCLUSIVE MODE  -- so that autovacuum gives way"
        if told := re.search(r"\b(ALTER TABLE|ALTER INDEX|(?<!KEY )UPDATE) [^;]*", words):
            return f"DO … {told[0]} …"
    return words


def rows(scene: Scene) -> Iterator[RenderableType]:
    """Yield the rows that are shown, before and after."""
    if not (scene.before and scene.after):
        return
    yield Columns([_table("before", scene.before), _table("after", scene.after)], padding=(0, 2))
    if scene.chapter.asked:
        for when, found in (("before", scene.before), ("after", scene.after)):
            yield Text(f"{scene.chapter.asked[0]}, {when}:")
            yield Padding(Text(found.asked, style="bold"), (0, 0, 0, 4))


def _table(when: str, found: Rows) -> Table:
    table = Table(title=when, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name, kind in found.columns.items():
        table.add_column(Text.assemble(name, "\n", (kind, "dim")), no_wrap=True, overflow="ellipsis")
    for row in found.rows:
        table.add_row(*(Text(short(value, 21)) for value in row))
    return table


def compared(chapter: Chapter, scenes: Sequence[Scene]) -> Table:
    """Return both ways of a chapter beside each other."""
    table = Table(title=f"{chapter.title}: what was measured", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("")
    for scene in scenes:
        again = ", gone on with" if scene.goes_on else ""
        table.add_column(Text(f"{WAYS[scene.way]}{again}", style=COLOURS[scene.way]), justify="right")
    for label, cells in figures(scenes):
        table.add_row(label, *cells)
    return table


def figures(scenes: Iterable[Scene]) -> Iterator[tuple[str, list[str]]]:
    """Yield what is measured, each figure of all scenes."""
    every = list(scenes)
    yield "the migration took", [duration(scene.seconds) for scene in every]
    yield "a client waited for it, at most", [duration(scene.stall) for scene in every]
    yield "a plain read waited, at most", [duration(max(s.waited(READ), default=0.0)) for s in every]
    yield "all waits of clients together", [duration(sum(scene.waited())) for scene in every]
    yield "transactions of the application", [f"{sum(t.transactions for t in s.teams):,}" for s in every]
    yield "of these, failed", [f"{sum(t.failed for t in s.teams):,}" for s in every]
    if any(scene.killed for scene in every):
        yield "was killed", ["yes" if scene.killed else "no" for scene in every]
    chapter = every[0].chapter
    if chapter.killed and chapter.asked:
        yield chapter.asked[0], [scene.after.asked if scene.after else "" for scene in every]


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def short(text: str, length: int = 60) -> str:
    """Return a text, of a long one the beginning."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


# An SVG of rich fetches its font from the web; a README shows a picture that fetches nothing.
FONT = re.compile(r"@font-face \{.*?\}\n", re.S)


def svg(console: Console) -> str:
    """Return what a console has recorded as a picture."""
    return FONT.sub("", console.export_svg(title="make tour", unique_id="tour"))
