"""From one chapter to the next: on a terminal by the keys, else straight through, as a transcript."""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any, Generic, TypeVar

import psycopg
from alembic.util import CommandError
from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.text import Text

from database import configured_url
from lab.tour import screen
from lab.tour.chapters import CHAPTERS, Chapter
from lab.tour.keys import Keys, Leave
from lab.tour.scene import TICK, Frame, Scene
from lab.tour.stage import Prepared, Stage, StageError
from migrate.target import LOOPBACK
from postgres import embedded
from postgres.errors import PostgresError

T = TypeVar("T")

WORTH_A_LOOK = 0.1  # seconds that a client has waited
KEYS = {"n": "next", "a": "again", "k": "kill the migration", "q": "quit"}


class Job(threading.Thread, Generic[T]):
    """Work in a thread of its own, while the screen goes on."""

    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__()
        self._work = work
        self._error: BaseException | None = None
        self._found: T
        self.start()

    def run(self) -> None:
        """Do it."""
        try:
            self._found = self._work()
        except BaseException as error:  # noqa: BLE001  (raised where the result is asked for)
            self._error = error

    def result(self) -> T:
        """Return what came of it, or raise what was raised."""
        self.join()
        if self._error:
            raise self._error
        return self._found


class Guide:
    """Shows the chapters."""

    def __init__(self, console: Console, keys: Keys, live: Live | None, *, brief: bool = False) -> None:
        """Get ready.

        Args:
            console: for the transcript.
            keys: what the reader presses.
            live: a screen that moves, where there is a terminal.
            brief: have one moment of each way in the transcript.
        """
        self.console, self._keys, self._live, self._brief = console, keys, live, brief
        self._jobs: list[tuple[Job[Any], Callable[[], None]]] = []
        self.stage: Stage
        self.seen: list[Sequence[Scene]] = []

    @contextmanager
    def on(self, make: Callable[[], Stage]) -> Iterator[None]:
        """Have a stage; all that works on it is stopped at the end."""
        self.stage = self._wait(make, lambda: [Text("The embedded server starts …")])
        try:
            yield
        finally:
            with closing(self.stage):
                self._stop()

    def _stop(self) -> None:
        for job, stop in self._jobs:
            while job.is_alive():
                stop()
                self.stage.end_sessions()
                job.join(0.2)

    # What every page has.

    def _show(self, parts: Iterable[RenderableType], keys: str) -> None:
        if self._live:
            layout = Layout()
            layout.split_column(Layout(Group(*parts)), Layout(_footer(keys), size=1))
            self._live.update(layout, refresh=True)

    def _print(self, *parts: RenderableType) -> None:
        if parts and not self._live:
            self.console.print(*parts, Text(), sep="\n")

    def _ask(self, parts: Sequence[RenderableType], keys: str) -> str:
        """Show a page until one of the keys is pressed, and return it; without a terminal the first."""
        while self._live:
            self._show(parts, keys)
            key = self._keys.get(5 * TICK)
            if key and key in keys:
                return key
        return keys[0]

    def _wait(
        self,
        work: Callable[[], T],
        page: Callable[[], Sequence[RenderableType]],
        pressed: Callable[[str], None] = lambda _key: None,
        *,
        stop: Callable[[], None] = lambda: None,
        keys: str = "",
    ) -> T:
        """Work, show a page meanwhile, and return what came of it."""
        job = Job(work)
        self._jobs = [(job, stop)]
        while job.is_alive():
            self._show(page(), keys)
            pressed(self._keys.get(TICK))
        return job.result()

    # One chapter.

    def choose(self) -> Sequence[Chapter]:
        """Return the chapters that the reader wants to see."""
        lines = [Text(f"  {number}  {chapter.title}") for number, chapter in enumerate(CHAPTERS, 1)]
        title, every = Text("What do you want to see?", style="bold"), Text("  n  all of them")
        page = [title, Text(), *lines, Text(), every]
        key = self._ask(page, "n" + "".join(str(number + 1) for number in range(len(CHAPTERS))))
        return CHAPTERS if key == "n" else [CHAPTERS[int(key) - 1]]

    def go(self, chapters: Sequence[Chapter]) -> None:
        """Show some chapters, each as often as is wanted."""
        for number, chapter in enumerate(chapters, 1):
            while self._chapter(chapter, screen.heading(chapter, number, len(chapters))) == "a":
                pass

    def _chapter(self, chapter: Chapter, heading: RenderableType) -> str:
        page = [heading, *screen.introduction(chapter, *self._shown(chapter)), Text()]
        self._print(*page)
        begun = time.monotonic()

        def preparing() -> list[RenderableType]:
            return [*page, Text(f"The tables are being filled … {time.monotonic() - begun:.0f} s")]

        prepared = self._wait(lambda: self.stage.prepare(chapter), preparing)
        ready = Text(f"{prepared.rows:,} rows in {chapter.table}. The application is ready to work on them.")
        self._print(ready)
        self._ask([*page, ready], "n")
        scenes: list[Scene] = []
        for way in screen.WAYS:
            key, played = "a", []
            while key == "a":
                played = self._way(prepared, way, heading)
                key = self._ask([heading, *self._end(played[-1])], "na")
            scenes += played
        self.seen.append(scenes)
        table = screen.compared(chapter, scenes)
        self._print(table)
        return self._ask([heading, table], "na")

    def _shown(self, chapter: Chapter) -> tuple[RenderableType, RenderableType]:
        """Return what is sent, the naive way and the right one."""
        naive, right = (
            "\n".join(
                f"alembic {' '.join(arguments)}  # {slug}"
                for arguments, slug in zip(self.stage.commands(chapter, way), chapter.steps, strict=True)
            )
            for way in screen.WAYS
        )
        if twin := self.stage.twin(chapter):
            sql = "\n".join(f"{each.sql};" for each in twin.statements if not each.meanwhile)
            return screen.code(sql), screen.code(right, "sh")
        return screen.code(naive, "sh"), screen.code(right, "sh")

    def _way(self, prepared: Prepared, way: str, heading: RenderableType) -> list[Scene]:
        """Go a way, and on again where it was killed; return the scenes."""
        copying = [heading, Text("The database is being copied …")]
        scene = self._wait(lambda: self.stage.scene(prepared, way, kills=self._live is None), lambda: copying)
        self._play(scene, heading)
        if not scene.killed or way == "naive":
            return [scene]
        words = Text("It was killed. The next key runs the same command again.", style="bold")
        self._ask([heading, words, *self._end(scene)], "n")  # a low terminal cuts the end off
        again = self.stage.again(scene)
        self._play(again, heading)
        return [scene, again]

    def _play(self, scene: Scene, heading: RenderableType) -> None:
        words = scene.chapter.naive if scene.way == "naive" else scene.chapter.right

        def page() -> list[RenderableType]:
            return [heading, *self._picture(scene, scene.last), Text(words)]

        def pressed(key: str) -> None:
            if key == "k":
                scene.kill()
            elif key == "n":
                scene.stop()
                self.stage.end_sessions()

        self._wait(scene.run, page, pressed, stop=scene.stop, keys="kn")
        if scene.stopped and not scene.killed and scene.way == "right" and scene.after:
            raise StageError(f"{scene.chapter.slug}: {scene.stopped}")
        worst = scene.worst if scene.worst and scene.worst.stall > WORTH_A_LOOK else None
        self._print(*self._picture(scene, worst, f"{screen.WAYS[scene.way]}, at the longest wait,"))
        if not (self._brief and worst):
            self._print(*self._end(scene))

    def _end(self, scene: Scene) -> list[RenderableType]:
        """Return how a scene has ended."""
        again = ", gone on with," if scene.goes_on else ""
        title = f"{screen.WAYS[scene.way]}{again}"
        return [*self._picture(scene, scene.last, title), *screen.rows(scene)]

    def _picture(self, scene: Scene, frame: Frame | None, title: str = "") -> list[RenderableType]:
        width, height = min(self.console.width, screen.WIDTH), self.console.height
        tall = height if self._live else screen.TALL
        return [screen.picture(scene, frame, width, title, tall)] if frame else []


def _footer(keys: str) -> Text:
    shown = [(key, words) for key, words in KEYS.items() if key in keys + "q"]
    return Text("  ").join(Text.assemble((f" {key} ", "reverse"), f" {words}") for key, words in shown)


def told(scenes: Iterable[Scene]) -> list[dict[str, Any]]:
    """Return what was measured, for a program."""
    return [
        {
            "slug": scene.chapter.slug,
            "way": scene.way,
            "goes_on": scene.goes_on,
            "killed": scene.killed,
            "stopped": scene.stopped,
            "seconds": scene.seconds,
            "stall": scene.stall,
            "waits": scene.waited(),
            "reads": scene.waited(screen.READ),
            "teams": {team.name: [team.transactions, team.failed] for team in scene.teams},
            "asked": [found.asked if found else "" for found in (scene.before, scene.after)],
        }
        for scene in scenes
    ]


def stage(rows: int) -> Stage:
    """Return the stage: on the embedded server, or on that of DATABASE_URL.

    Raises:
        StageError: that one is another machine's.
    """
    server = configured_url(for_migrations=True) or embedded.url()
    if server.host not in LOOPBACK and not str(server.host).startswith("/"):
        raise StageError(f"the tour works on this machine only, and {server.host} is another one")
    return Stage(server, rows)


def main() -> int:
    """Give the tour.

    Returns:
        The exit code: 2 where it cannot go on.
    """
    parser = argparse.ArgumentParser(prog="lab.tour", description="The naive way and the right one, live.")
    slugs = [chapter.slug for chapter in CHAPTERS]
    parser.add_argument("slugs", nargs="*", metavar="SLUG", help=f"of {', '.join(slugs)}; all by default")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of each chapter's table")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="for the transcript, as an SVG")
    parser.add_argument("--json", type=Path, metavar="FILE", help="for the figures")
    options = parser.parse_args()
    if options.rows < 1000:
        parser.error("--rows is 1000 or more")
    if unknown := sorted(set(options.slugs) - set(slugs)):
        parser.error(f"there is no chapter {', '.join(unknown)}: there are {', '.join(slugs)}")
    chosen = [chapter for chapter in CHAPTERS if chapter.slug in options.slugs]
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = screen.WIDTH
    if options.picture:
        console = Console(
            highlight=False, record=True, file=StringIO(), width=screen.WIDTH, force_terminal=True,
            color_system="truecolor",
        )  # fmt: skip
    keys = Keys()
    keys.of_terminal = (
        not options.picture and console.is_terminal and sys.stdin.isatty() and bool(find_spec("termios"))
    )
    live = Live(console=console, screen=True, auto_refresh=False) if keys.of_terminal else None
    guide, code = Guide(console, keys, live, brief=bool(options.picture)), 0
    try:
        with keys.heard(), live or nullcontext(), guide.on(lambda: stage(options.rows)):
            guide.go(chosen or guide.choose())
    except Leave as left:
        [code] = left.args
    except (CommandError, PostgresError, StageError, psycopg.Error) as error:
        print(f"error: {str(error).splitlines()[0]}", file=sys.stderr)
        code = 2
    if live:
        console.print(*(screen.compared(scenes[0].chapter, scenes) for scenes in guide.seen))
    if options.json:
        every = [scene for scenes in guide.seen for scene in scenes]
        options.json.write_text(json.dumps(told(every), indent=1) + "\n", encoding="utf-8")
    if options.picture:
        options.picture.write_text(screen.svg(console), encoding="utf-8")
    return code
