"""Requests to stop: Ctrl-C, SIGTERM, or a terminal that closes."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Told:
    """How often a run was told to stop, and what that does.

    The first signal raises KeyboardInterrupt. Python drops an exception in some places, such as a
    destructor, so each step of the run also asks (`stop_if_told`). The second signal is only
    counted, because it would stop the cleanup after the first. The third raises again, in case the
    cleanup does not end.
    """

    def __init__(self) -> None:
        self.listens = False
        self.begin()

    def begin(self) -> None:
        """Begin to count."""
        self.times = self.heard = 0
        self._only_counted = False  # the next one

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        self.times += 1
        self._only_counted = not self._only_counted
        if self._only_counted:
            raise KeyboardInterrupt

    def clean_up(self) -> None:
        """Mark the signals until now as handled, and let the next one only be counted."""
        self.heard = self.times
        self._only_counted = True


_told = Told()


@contextmanager
def interruptible() -> Iterator[None]:
    """Handle SIGTERM and a terminal that closes like Ctrl-C.

    Each cancels the statement, and lets the run end cleanly. Only the main thread of a program gets
    signals; in another thread this does nothing.
    """
    if _told.listens or threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    # Under nohup, SIGHUP is ignored on purpose. An event loop handles Ctrl-C itself.
    heard = [number for number in numbers if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        heard.append(signal.SIGINT)
    _told.begin()
    _told.listens = True
    earlier = {number: signal.signal(number, _told) for number in heard}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
        _told.listens = False


def stop_if_told() -> None:
    """Stop if the exception of a signal was dropped.

    Raises:
        KeyboardInterrupt: there is such a signal.
    """
    if _told.listens and _told.times > _told.heard:
        raise KeyboardInterrupt


def clean_up() -> None:
    """Mark the signals until now as handled. The next signal is only counted, so the cleanup can end."""
    _told.clean_up()


def times_told() -> int:
    """Return how many signals have come since the run began."""
    return _told.times
