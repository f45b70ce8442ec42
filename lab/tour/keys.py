"""The keys of a terminal, one by one as they are pressed, and signals as one of them."""

import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from lab.backend import handled


class Leave(Exception):  # noqa: N818  (it is no error)
    """The tour is over. `args`: the exit code."""


class Keys:
    """What the reader presses, where there is a terminal."""

    def __init__(self) -> None:
        self._told = 0  # the signal
        self.of_terminal = False

    def get(self, seconds: float) -> str:
        """Return the next key, empty where none is pressed in time.

        Raises:
            Leave: it is the one that quits, the terminal is gone, or a signal has come.
        """
        key = ""
        if not self.of_terminal:
            time.sleep(seconds)
        elif select.select([sys.stdin], [], [], seconds)[0]:
            key = os.read(sys.stdin.fileno(), 1).decode(errors="replace").lower() or "q"
        if self._told or key == "q":
            raise Leave(128 + self._told if self._told else 0)
        return key

    def _tell(self, number: int, _frame: FrameType | None) -> None:
        self._told = number  # whoever reads the keys ends the tour, in order

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Have the terminal give each key at once, and signals end the tour, in a block."""
        with handled(self._tell):
            if not self.of_terminal:
                yield
                return
            import termios
            import tty

            before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
            try:
                yield
            finally:
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def quiet_until_heard() -> None:
    """Have Ctrl-C end the program without a traceback, while there is nothing to stop yet."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
