"""How the fits of a search run side by side, as joblib's parallel loop asks for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from joblib.parallel import FallbackToBackend, ThreadingBackend
from sklearn import config_context, get_config

from gruforecast.training.together import Together
from gruforecast.training.wanted import unless

MOST_AT_ONCE = 512  # fits on a GPU: each has a thread that prepares and scores

Task = Callable[[], Any]
Callback = Callable[[Any], None]


class SideBySide(ThreadingBackend):
    """Threads for the loop of a search alone, as many fits at once as said, one thread each.

    Loops inside this one, such as those of another estimator that is fitted anew at the end, get
    what ``n_jobs`` of theirs asks for.
    """

    def __init__(self, n_fits: int, **options: Any) -> None:
        super().__init__(**options)
        self.n_fits = n_fits
        self.parallel: Any = None
        self._config: dict[str, Any] = {}
        self._given_up = threading.Event()

    def effective_n_jobs(self, n_jobs: int) -> int:
        """As many as said; joblib refuses what it cannot understand."""
        super().effective_n_jobs(n_jobs)
        return self.n_fits

    def configure(self, n_jobs: int = 1, parallel: Any = None, **options: Any) -> int:
        """Take the first loop, which is that of the search."""
        if self.parallel not in (None, parallel):
            raise FallbackToBackend(ThreadingBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        self._config = get_config()
        return int(super().configure(n_jobs, parallel, **options))

    def submit(self, func: Task, callback: Callback | None = None) -> Any:
        """Start a fit; joblib before 1.5 knows this as ``apply_async``."""
        return self._start(self._unwrapped(func), callback)

    apply_async = submit

    def _start(self, task: Task, callback: Callback | None) -> Any:
        start = getattr(super(), "submit", None) or super().apply_async
        return start(task, callback)

    def _unwrapped(self, batch: Any) -> Task:
        """A batch of fits without scikit-learn's wrapper, which carries settings to processes.

        On threads it clears the warning filters of all of them, if two begin and end at once.
        """
        calls = getattr(batch, "items", [])
        if all(hasattr(call, "__wrapped__") for call, _, _ in calls):
            batch.items = [(call.__wrapped__, args, kwargs) for call, args, kwargs in calls]

        def task() -> Any:
            with config_context(**self._config), unless(self._given_up):
                return batch()

        return task

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """An error or an interruption: fits that have begun end with the epoch they are in."""
        self._given_up.set()
        super().abort_everything(ensure_ready=ensure_ready)


class Meeting(SideBySide):
    """Fits that meet to be trained all at once on a GPU; other work of theirs is done on threads.

    None starts before all that joblib hands over at once are known.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(MOST_AT_ONCE, **options)
        self._together = Together(MOST_AT_ONCE)
        self._early: list[tuple[Task, Callback]] | None = []

    def start_call(self) -> None:
        """A loop begins."""
        self._together, self._early = Together(MOST_AT_ONCE), []

    def submit(self, func: Task, callback: Callback | None = None) -> Any:
        together, batch = self._together, self._unwrapped(func)
        number = together.expect()

        def task() -> Any:
            with together.seat(number):
                return batch()

        def done(result: Any) -> None:
            # The callback may hand over the next fit, which the others shall wait for.
            try:
                if callback is not None:
                    callback(result)
            finally:
                together.leave()

        if self._early is None:
            return self._start(task, done)
        self._early.append((task, done))
        return None  # joblib asks nothing of it: results come with the callback

    apply_async = submit

    @contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Joblib has handed over what it does at once, and waits for results."""
        early, self._early = self._early or [], None
        self._n_jobs = max(1, min(self.n_fits, len(early)))
        for task, done in early:
            self._start(task, done)
        yield

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """An error or an interruption: whoever waits for the others is let go."""
        self._together.give_up()
        super().abort_everything(ensure_ready=ensure_ready)
