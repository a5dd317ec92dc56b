"""Calls as jobs of a Slurm cluster, sent in arrays through submitit.

A job that is preempted, or at the end of its time, has its training write its checkpoint and is queued again.
"""

from __future__ import annotations

import pickle
import secrets
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import submitit
from submitit.core.utils import DelayedSubmission, FailedJobError, UncompletedJobError

from bench.engines.choice import Demand, number
from bench.engines.contract import KILLED_TRIES, LOST_TRIES, Death, Message, Retriable
from bench.engines.local import LEAVE_S, Workers
from bench.engines.node import Call, check, code, look, served
from tickets import atomic
from tickets.errors import UserError

SLURM = "slurm"
MINUTES = 240.0
"""Of a job, where nobody says; one that takes longer is queued again and goes on."""
QUEUED_AGAIN = 1000
"""Times that a job may reach the end of its time."""
POLL_S, TOLD_S, SETTLE_S = 1.0, 5.0, 2.0
"""Seconds between two looks, between two words about a job's progress, and until a signal must have arrived."""
AGAIN = "Slurm took its node away or its time was over, and it was queued again."
LOST = ("NODE_FAIL", "PREEMPTED", "TIMEOUT", "BOOT_FAIL", "REVOKED")
"""States of jobs that have ended through no fault of theirs."""


class Slurm:
    """The engine.

    Args:
        demand: of each call.
        cluster: "slurm", or "local" for processes of this machine, to try it.
        options: of submitit, by its names but for `time`, which are minutes.
    """

    is_one_machine = False

    def __init__(self, demand: Demand, cluster: str, options: dict[str, str]) -> None:
        self.demand, self.cluster, self.options = demand, cluster, options
        self.folder = demand.home / "slurm" / secrets.token_hex(4)
        self._code = code()
        self._waiting: list[tuple[Any, Hosted]] = []
        self._busy: dict[Any, _Sent] = {}
        self._has_died = False

    def __enter__(self) -> Self:
        limit = {f"{self.cluster}_max_num_timeout": QUEUED_AGAIN}
        try:
            self._executor = submitit.AutoExecutor(self.folder, self.cluster, **limit)
            self._executor.update_parameters(**self._parameters())
        except RuntimeError as error:
            raise UserError(
                "--engine slurm: there is no srun here; start the run on a machine from which jobs are sent to Slurm."
            ) from error
        except (NameError, ValueError, AssertionError) as error:
            raise UserError(f"--engine slurm: {' '.join(str(error).split())}") from error
        return self

    def __exit__(self, *error: object) -> None:
        """Cancel what is queued or runs, and wait until trainings have noted where they are."""
        if self._busy:
            _stop(self.folder).parent.mkdir(parents=True, exist_ok=True)
            _stop(self.folder).touch()
        for sent in self._busy.values():
            with suppress(OSError):
                sent.job.cancel(check=False)
        deadline = time.monotonic() + LEAVE_S
        while time.monotonic() < deadline and not all(sent.job.done() for sent in self._busy.values()):
            time.sleep(POLL_S / 10)
        if not self._busy and not self._has_died:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _parameters(self) -> dict[str, Any]:
        said = dict(self.options)
        time_ = number("time", said.pop("time", str(MINUTES)))
        shared = {"timeout_min": max(1, round(time_)), "cpus_per_task": self.demand.cpus, "name": "ticketbench"}
        if self.demand.gpus:
            shared["gpus_per_node"] = self.demand.gpus
        if "mem_gb" in said:
            shared["mem_gb"] = number("mem_gb", said.pop("mem_gb"))
        own: dict[str, Any] = {"array_parallelism": self.demand.at_once, **said}
        return shared | {
            f"{SLURM}_{name}": int(value) if str(value).isdecimal() else value for name, value in own.items()
        }

    @property
    def free(self) -> int:
        """How many more calls may be queued."""
        return max(0, self.demand.at_once - len(self._busy) - len(self._waiting))

    def start(self, key: Any, function: str, *args: Any) -> None:
        """Begin a call; those that begin before the next messages are waited for become one array."""
        call = Call(function, args, self.demand.threads)
        folders = tuple(folder for folder in self.demand.folders if folder.exists())
        self._waiting.append((key, Hosted(call, self.folder, secrets.token_hex(8), folders, self._code)))

    def messages(self) -> Iterator[Message]:
        """Wait for the next messages of running calls, of which there must be one; gives all that are at hand."""
        self._send()
        while not (found := [*self._at_hand()]):
            time.sleep(POLL_S)
        yield from found

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            with self._executor.batch():
                jobs = [self._executor.submit(hosted) for _, hosted in waiting]
        except Exception as error:  # of sbatch, which says it in words of its own
            said = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
            raise UserError(f"Slurm takes no jobs ({said[-1].strip()}); see --engine slurm@OPTION=VALUE.") from error
        self._busy |= {hosted.name: _Sent(key, job, hosted) for (key, hosted), job in zip(waiting, jobs, strict=True)}

    def _at_hand(self) -> Iterator[Message]:
        for name, sent in [*self._busy.items()]:
            if sent.job.done():
                del self._busy[name]
                yield replace(self._end(sent.job), key=sent.key)
            elif (progress := sent.progress()) is not None:
                yield Message(sent.key, "progress", progress)

    def _end(self, job: Any) -> Message:
        """What a job has left, or what is known of its end."""
        try:
            found: Message = job.result()
            return found
        except FailedJobError as error:
            how, tries = str(error).strip().splitlines(), 0
            why = f"its Slurm job {job.job_id} failed ({_said(how)})"
        except UncompletedJobError:
            state = str(job.state).partition(" ")[0]
            tries = LOST_TRIES if state in LOST else KILLED_TRIES
            why = f"its Slurm job {job.job_id} ended as {state}"
        self._has_died = True
        return Message(None, "died", Death(f"{why}, its log is {job.paths.stderr}", tries))


def _said(lines: list[str]) -> str:
    """The line of a traceback, as submitit frames it, that says what it is."""
    return next((line for line in reversed(lines) if line[:1].isalpha() and "Error" in line), lines[0])


@dataclass
class _Sent:
    """A call that was sent.

    Args:
        key: of it.
        job: submitit's.
        hosted: what is done there.
        seen_ns: when the last word about its progress was written.
    """

    key: Any
    job: Any
    hosted: Hosted
    seen_ns: int = 0

    def progress(self) -> Any:
        """How far it is, if there is news."""
        try:
            written = self.hosted.told.stat().st_mtime_ns
            if written == self.seen_ns:
                return None
            self.seen_ns = written
            return pickle.loads(self.hosted.told.read_bytes())
        except (OSError, EOFError, pickle.UnpicklingError):
            return None


@dataclass
class Hosted:
    """A call as submitit carries it to a node; called there.

    Args:
        call: to be done.
        folder: of the run's files for Slurm.
        name: of the call among them.
        folders: that the node must see.
        code: digest of the runner's.
    """

    call: Call
    folder: Path
    name: str
    folders: tuple[Path, ...]
    code: str
    _workers: Workers | None = field(default=None, repr=False)

    @property
    def told(self) -> Path:
        """The file that tells of its progress."""
        return self.folder / f"{self.name}.progress"

    def __call__(self) -> Message:
        """Do it; the last message about it."""
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGUSR2))  # submitit's, by which it calls `checkpoint`
        try:
            check(look({folder: folder for folder in self.folders}), self.code)
            with Workers(1, self.call.threads) as self._workers:
                for message in served(self.call, self._workers, TOLD_S):
                    if message.kind != "progress":
                        return self._settled(message)
                    with suppress(UserError):
                        atomic.write(self.told, pickle.dumps(message.value))
        except UserError as error:
            return Message(None, "refused", str(error))
        raise AssertionError("a call ends with a message that says so")

    def _settled(self, message: Message) -> Message:
        """The message; a worker may have died of the signal that this process is about to get."""
        if message.kind == "died":
            time.sleep(SETTLE_S)
        return message

    def checkpoint(self) -> DelayedSubmission | None:
        """End the call where it is; what is to be queued in its place, or None where its run has ended."""
        if self._workers is not None:
            self._workers.__exit__()
        if _stop(self.folder).exists():
            return None
        args = tuple(one.again(AGAIN) if isinstance(one, Retriable) else one for one in self.call.args)
        return DelayedSubmission(replace(self, call=replace(self.call, args=args), _workers=None))


def _stop(folder: Path) -> Path:
    """The file that says that the run has ended, and nothing is to be queued again."""
    return folder / "stop"


def made(options: dict[str, str], demand: Demand) -> Slurm:
    """The engine by its options.

    Raises:
        UserError: no such cluster.
    """
    said = dict(options)
    cluster = said.pop("cluster", SLURM)
    if cluster not in (SLURM, "local"):
        raise UserError(f"--engine slurm@cluster={cluster}: give slurm, or local for processes of this machine.")
    return Slurm(demand, cluster, said)
