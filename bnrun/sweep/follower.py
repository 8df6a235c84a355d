"""Repeating a task in a thread while a block runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeated(task: Callable[[], object], pause: Callable[[], float]) -> Iterator[None]:
    """While the block runs, call `task` after every `pause()` seconds.

    After an exception in the block, like Ctrl-C, it waits at most a second for a running task.
    """
    stop = threading.Event()

    def follow() -> None:
        while not stop.wait(pause()):
            task()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        stop.set()
        thread.join(1.0)
        raise
    stop.set()
    thread.join()
