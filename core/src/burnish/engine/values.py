"""Values of shared jobs, by key: made when they are asked for, let go after their last use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from burnish.contracts.tuner import Progress, no_progress
from burnish.engine.jobs.features import Tables
from burnish.engine.jobs.kinds import SHARED
from burnish.errors import FitError

if TYPE_CHECKING:
    from burnish.engine.store import Store
    from burnish.engine.tools import Tools
    from burnish.plan import Row
    from burnish.plan.graph import Graph

ValueT = TypeVar("ValueT")


class Executor(Protocol):
    """Runs the function of a job: the one place where another process or machine can come in.

    A job is a function of values and of tools; a stack of fits is one job. Whoever runs it elsewhere hands
    its value back, and raises what it raised.
    """

    def submit(self, work: Callable[[], ValueT]) -> ValueT:
        """Return what a job's function gives."""


class Local:
    """Runs jobs in this process, one after another (`Executor`)."""

    def submit(self, work: Callable[[], ValueT]) -> ValueT:
        """Return what a job's function gives."""
        return work()


class Values:
    """The values of a graph's shared jobs.

    A job that fails with a `FitError` has that error as its value, and so has every job behind it: what it
    costs is the trials that need it, each of which is told why.

    Args:
        graph: the jobs.
        tools: what they work with.
        store: keeps assessments; None keeps none.
        executor: runs them.
    """

    def __init__(
        self, graph: Graph, tools: Tools, store: Store | None = None, executor: Executor | None = None
    ) -> None:
        self.graph, self.tools, self.store = graph, tools, store
        self.executor = executor or Local()
        self._values: dict[str, Any] = {}
        self._tables: dict[tuple[str, ...], Tables] = {}
        self._uses: Counter[str] = Counter()
        self._expected: set[str] = set()
        self._made_once: set[str] = set()

    def expect(self, keys: Iterable[str]) -> None:
        """Count that each of these values, and what they are made of, is going to be asked for once more."""
        keys = list(keys)
        self._uses.update(keys)
        for key in self.graph.behind(keys) - self._expected:
            self._expected.add(key)
            self._uses.update(self.graph.jobs[key].inputs)

    def reads(self, row: Row, replicate: int) -> list[str]:
        """Return the keys of what a trial of a row reads."""
        return [self.graph.data(row), self.graph.shown(row, replicate), *self.graph.tables(row)]

    def done(self, keys: Iterable[str]) -> None:
        """Say that values were asked for; each is let go where nobody is going to ask for it again."""
        for key in keys:
            self._uses[key] -= 1
            if self._uses[key] <= 0:
                self.drop(key)

    def has(self, key: str) -> bool:
        """Return whether a value is at hand."""
        return key in self._values

    def get(self, key: str, progress: Progress = no_progress) -> Any:
        """Return the value of a job, or the `FitError` that it ended with."""
        if key not in self._values:
            self._values[key] = self._made(key, progress)
            if key not in self._made_once:
                self._made_once.add(key)
                self.done(self.graph.jobs[key].inputs)
        return self._values[key]

    def _made(self, key: str, progress: Progress) -> Any:
        job = self.graph.jobs[key]
        given = [self.get(name) for name in job.inputs]
        failed = next((value for value in given if isinstance(value, FitError)), None)
        if failed is not None:
            return failed
        further = {"store": self.store, "progress": progress} if job.kind == "assess" else {}
        try:
            return self.executor.submit(lambda: SHARED[job.kind](self.tools, job, given, **further))
        except FitError as error:
            return error.with_traceback(None)  # which would keep all that the job held

    def tables(self, row: Row) -> Tables | FitError | None:
        """Return the features that a row reads: one object for all trials that read the same."""
        keys = tuple(self.graph.tables(row))
        found = [self.get(key) for key in keys]
        failed = next((value for value in found if isinstance(value, FitError)), None)
        if failed is not None or not keys:
            return failed
        if keys not in self._tables:
            self._tables[keys] = Tables.of(found)  # type: ignore[assignment] # there are keys
        return self._tables[keys]

    def drop(self, key: str) -> None:
        """Let go of a value; who asks again has it made again."""
        self._values.pop(key, None)
        self._tables = {keys: tables for keys, tables in self._tables.items() if key not in keys}
