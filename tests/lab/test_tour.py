"""`make tour`: what it shows, each key of it, and that nothing is left, whenever it is ended."""

import fcntl
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil
import psycopg
import pytest

from lab.backend import generated
from tests.conftest import BACKEND, TEMPLATE

TOUR = [sys.executable, "-m", "lab.backend", "lab.tour"]
CONTROL_C = "\x03"
ESCAPE = re.compile(r"\x1b(\[[0-9;?]*[a-zA-Z]|.)")
PATIENCE = 240.0  # seconds; the machine may be busy


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for all that a tour makes, which tells its processes from others too."""
    with tempfile.TemporaryDirectory(prefix="tour") as folder:
        yield Path(folder)


def started_by(place: Path) -> list[psutil.Process]:
    """Return the processes that a tour has started, and what these have."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("TMPDIR") == str(place):
                found.append(process)
    return found


def assert_nothing_is_left(place: Path) -> None:
    deadline = time.monotonic() + 10  # what watches a server looks every other second whether it is gone
    while started_by(place) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert [process.cmdline() for process in started_by(place)] == []
    assert list(place.glob("lab*")) == []
    # Where root keeps the data of servers; a file says whose they are.
    owned = Path("/var/lib/embedded-postgres/data").glob("*/link")
    assert [path for path in owned if str(place) in path.read_text()] == []


class Terminal:
    """A tour in a pseudo-terminal."""

    def __init__(self, place: Path, *arguments: str, **environment: str) -> None:
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 45, 110, 0, 0))
        self.process = subprocess.Popen(
            [*TOUR, *arguments],
            cwd=TEMPLATE,
            env={**os.environ, "TERM": "xterm-256color", "TMPDIR": str(place), **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            # The terminal sends its signals to whom it controls.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        os.close(theirs)
        self.seen = ""

    def read(self, seconds: float) -> bool:
        """Read on for so long at most, and return whether there may be more."""
        if not select.select([self._ours], [], [], seconds)[0]:
            return True
        try:
            self.seen += os.read(self._ours, 65536).decode(errors="replace")
        except OSError:  # the other side is closed
            return False
        return True

    def wait_for(self, *words: str) -> None:
        """Wait until the screen has shown something new, and then begin anew."""
        deadline = time.monotonic() + PATIENCE
        while not all(each in ESCAPE.sub("", self.seen) for each in words):
            assert time.monotonic() < deadline, f"no {words}:\n{ESCAPE.sub('', self.seen)[-5000:]}"
            assert self.read(0.2), f"it ended without {words}:\n{ESCAPE.sub('', self.seen)[-5000:]}"
        self.seen = ""

    def press(self, key: str) -> None:
        """Press a key. What was shown before is not looked at again."""
        os.write(self._ours, key.encode())
        self.seen = ""

    def end(self) -> int:
        """Wait for the end, and return the exit code."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read(0.2)
        return self.process.wait(1)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.end()
        os.close(self._ours)


@contextmanager
def terminal(place: Path, *arguments: str, **environment: str) -> Iterator[Terminal]:
    shown = Terminal(place, *arguments, **environment)
    try:
        yield shown
    finally:
        shown.close()


def test_what_it_does_not_know_gets_one_line() -> None:
    path = os.pathsep.join([str(BACKEND), str(TEMPLATE)])
    command = [sys.executable, "-P", "-m", "lab.tour", "no_such"]
    done = subprocess.run(
        command, cwd=TEMPLATE, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "there is no chapter no_such: there are add_user_phone, index_document_tags" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_at_the_start_leaves_nothing(place: Path) -> None:
    with terminal(place) as tour:
        deadline = time.monotonic() + PATIENCE
        while not list(place.glob("lab*")):
            assert time.monotonic() < deadline
            tour.read(0.01)
        tour.press(CONTROL_C)
        assert tour.end() == 128 + signal.SIGINT
        assert "Traceback" not in tour.seen
    assert_nothing_is_left(place)


@pytest.mark.slow
def test_each_key_does_what_it_says(place: Path) -> None:
    with terminal(place, "--rows=150000") as tour:
        tour.wait_for("What do you want to see?", "A lock has a queue", "all of them")
        tour.press("5")
        tour.wait_for("150,010 rows in users")
        tour.press("n")
        tour.wait_for("The naive way is running", "UPDATE users SET role_id")
        tour.wait_for("again")  # done, or ended by a deadlock with the application
        tour.press("a")
        tour.wait_for("The naive way has not begun")
        tour.press("n")  # on, before its end
        tour.wait_for("next", "again")
        tour.press("n")
        tour.wait_for("The right way is running", " blocks of users")
        tour.press("k")
        tour.wait_for("terminating connection due to administrator command")
        tour.wait_for("It was killed. The next key runs the same command again.")
        tour.press("n")
        tour.wait_for("The right way, gone on with, is done")
        tour.press("n")
        tour.wait_for("what was measured")
        tour.press("q")
        assert tour.end() == 0
        assert "was killed" in ESCAPE.sub("", tour.seen)  # the figures stay on the screen
    assert_nothing_is_left(place)


# What has been shown when Ctrl-C comes, and the keys that lead there.
MOMENTS = {
    "the server starts": [("The embedded server starts", "")],
    "the tables are filled": [("being filled", "")],
    "it asks": [("rows in users", "")],
    "the naive way runs": [("rows in users", "n"), ("The naive way is running", "")],
    "the right way runs": [
        ("rows in users", "n"),
        ("The naive way has not begun", "n"),
        ("again", "n"),
        ("The right way is running", ""),
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_leaves_nothing(moment: str, place: Path) -> None:
    with terminal(place, "add_user_phone", "--rows=2000") as tour:
        for words, key in MOMENTS[moment]:
            tour.wait_for(words)
            tour.press(key)
        tour.press(CONTROL_C * 2)  # the second one comes while it cleans up
        assert tour.end() == 128 + signal.SIGINT
        assert "Traceback" not in tour.seen
    assert_nothing_is_left(place)


@pytest.mark.slow
def test_a_server_of_ones_own_keeps_nothing_of_it_and_goes_on(place: Path) -> None:
    with generated() as backend:
        url = subprocess.run(
            [sys.executable, "-m", "migrate", "url"], cwd=backend, capture_output=True, text=True, check=True
        ).stdout.strip()
        with psycopg.connect(url, autocommit=True) as connection:
            before = databases(connection)
            with terminal(place, "add_user_phone", "--rows=2000", DATABASE_URL=url) as tour:
                tour.wait_for("rows in users")
                tour.press("n")
                tour.wait_for("The naive way is running")
                assert databases(connection) > before
                tour.process.send_signal(signal.SIGTERM)
                assert tour.end() == 128 + signal.SIGTERM
            assert databases(connection) == before
            sessions = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            assert connection.execute(sessions).fetchone() == (1,)
    assert_nothing_is_left(place)


def databases(connection: psycopg.Connection[Any]) -> set[str]:
    return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


def tour(place: Path, *arguments: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the transcript and the figures of a tour without a terminal."""
    figures = place / "figures.json"
    done = subprocess.run(
        [*TOUR, *arguments, f"--json={figures}"],
        cwd=TEMPLATE,
        env={**os.environ, "TMPDIR": str(place)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout, json.loads(figures.read_text())


@pytest.mark.slow
def test_in_each_chapter_the_naive_way_stalls_more_than_the_right_one(place: Path) -> None:
    transcript, scenes = tour(place, "--rows=100000")
    assert_nothing_is_left(place)
    assert transcript.count("what was measured") == 6
    ways: dict[str, dict[str, Any]] = {}
    for scene in scenes:
        if not scene["goes_on"]:
            ways.setdefault(scene["slug"], {})[scene["way"]] = scene
    assert len(ways) == 6
    for slug, of in ways.items():
        naive, right = of["naive"], of["right"]
        assert naive["waits"], slug
        assert max(naive["waits"]) > max(right["waits"], default=0.0), slug
        for scene in (naive, right):
            assert all(transactions for transactions, _ in scene["teams"].values()), slug
        assert sum(failed for _, failed in right["teams"].values()) == 0, slug
    for slug in ("add_user_phone", "require_user_username", "expand_document_file_size"):
        assert ways[slug]["naive"]["reads"], slug  # not even a SELECT goes on
    index = ways["index_document_tags"]
    assert (index["naive"]["reads"], index["right"]["waits"]) == ([], [])
    seq_scan, bitmap = index["right"]["asked"]
    assert "Seq Scan" in seq_scan
    assert "Bitmap Index Scan on idx_documents_tags" in bitmap
    # Old code meets with a column that is gone, and beside the right way with none.
    [[_, failed], [_, of_new]] = ways["add_user_name_parts"]["naive"]["teams"].values()
    assert failed > 0
    assert of_new == 0
    assert 'column "full_name" of relation "users" does not exist' in transcript
    # What the killed backfill has done stays, and the second command does the rest.
    killed, goes_on = (s for s in scenes if s["slug"] == "assign_user_roles" and s["way"] == "right")
    assert killed["killed"]
    assert goes_on["goes_on"]
    filled, every = map(int, killed["asked"][1].split(" of "))
    assert 0 < filled < every
    assert goes_on["stopped"] == ""
    assert goes_on["asked"][1].split(" of ")[0] == goes_on["asked"][1].split(" of ")[1]


@pytest.mark.slow
def test_the_picture_is_made_of_a_run_and_fetches_nothing(place: Path) -> None:
    path = place / "tour.svg"
    transcript, _ = tour(place, "add_user_phone", "--rows=2000", f"--picture={path}")
    assert transcript == ""
    drawn = path.read_text(encoding="utf-8")
    assert not re.search(r"url\(['\"]?http|@import|<image|<script", drawn)
    words = " ".join("".join(text.itertext()) for text in ElementTree.fromstring(drawn).iter() if text.text)
    assert "what was measured" in words.replace("\xa0", " ")


def test_the_picture_of_the_readme_is_one_of_these() -> None:
    drawn = (TEMPLATE / "lab/results/tour.svg").read_text(encoding="utf-8").replace("&#160;", " ")
    assert "A lock has a queue: what was measured" in drawn
    assert "](lab/results/tour.svg)" in (TEMPLATE / "README.md").read_text(encoding="utf-8")
