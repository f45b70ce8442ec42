"""Being told to stop: by Ctrl-C, by SIGTERM, or by a terminal that closes."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Told:
    """How often a run was told to stop, and what that does.

    The first signal raises KeyboardInterrupt, where the run is. Python drops an exception in
    some places, a destructor for one, so that each step of the run asks too (`stop_if_told`).
    The second one is only counted: it would end what cleans up after the first. The third
    raises again, for somebody whose cleaning up does not end.
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
        """Take what has come until now as heard, and the next one as not for what cleans up."""
        self.heard = self.times
        self._only_counted = True


_told = Told()


@contextmanager
def interruptible() -> Iterator[None]:
    """Have SIGTERM, and a terminal that closes, do what Ctrl-C does.

    That is to cancel the statement, and let the run end in order. Only the main thread of a
    program gets signals; in another one this does nothing.
    """
    if _told.listens or threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    # nohup has SIGHUP ignored, and means it. An event loop has its own way with Ctrl-C.
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
    """Stop, where a signal has come whose exception was dropped.

    Raises:
        KeyboardInterrupt: one has.
    """
    if _told.listens and _told.times > _told.heard:
        raise KeyboardInterrupt


def clean_up() -> None:
    """Take what has come until now as heard: what follows cleans up, and the next signal is only counted."""
    _told.clean_up()


def times_told() -> int:
    """Return how many signals have come since the run began."""
    return _told.times
