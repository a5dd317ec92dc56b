"""Packages that register what cannot be: one sentence, exit code 2; the others work. A failed draw: exit code 1."""

import pytest
from sites import command, install

from bench.records import record

FILES = {
    "loops.py": """
from dataclasses import dataclass

from tickets import Drawer, Event, Finetune, Need, Traits


@dataclass(frozen=True)
class Misspelt(Drawer):
    def events(self, steps, sparsity):
        return [Event(steps, "prnue", {"sparsity": sparsity})]


@dataclass(frozen=True)
class Late(Drawer):
    def events(self, steps, sparsity):
        return [Event(steps + 1, "prune", {"sparsity": sparsity})]


@dataclass(frozen=True)
class Selfish(Drawer):
    traits = Traits(needs=(Need("base", "selfish"),))


@dataclass(frozen=True)
class Shy(Drawer):
    def scores(self, network, source):
        raise RuntimeError("no score today")


class Rung(Finetune):
    def events(self, steps, sparsity):
        return [Event(1, "bell")]


NUMBER = 3
""",
    "needy.py": "import no_such_package\n",
    "unread.py": "def broken(:\n",
}
POINTS = {
    "ticketbench.drawers": {
        "misspelt": "loops:Misspelt", "late": "loops:Late", "selfish": "loops:Selfish", "shy": "loops:Shy",
        "number": "loops:NUMBER", "needy": "needy:Needy", "twice": "loops:Shy", "omp": "loops:Shy",
    },
    "ticketbench.recipes": {"rung": "loops:Rung"},
    "ticketbench.transforms": {"unread": "unread:Unread"},
}  # fmt: skip
DRAWERS = list(POINTS["ticketbench.drawers"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Two packages, which both register "twice"."""
    site = install(tmp_path_factory.mktemp("site"), "acme-tickets", FILES, POINTS)
    other = {"ticketbench.drawers": {"twice": "other:Other"}}
    return install(site, "beta-tickets", {"other.py": "class Other: ...\n"}, other)


def refused(site, tmp_path, *asked):
    """What a run is refused with: one sentence, exit code 2, and nothing is written."""
    home = tmp_path / "home"
    done = command(site, "bench.run", "--control", "none", "--home", home, *asked)
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and line.endswith(".") and not home.exists()
    return line


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--drawer", "twice"), "two plug-ins register the drawer 'twice': loops:Shy of acme-tickets"),
        (("--drawer", "omp"), "'omp' comes with ticketbench, and loops:Shy of acme-tickets registers the same name"),
        (("--drawer", "number"), "'number' (loops:NUMBER) is a int and no drawer; derive its class from"),
        (("--drawer", "needy"), "'needy' (needy:Needy) cannot be loaded: No module named 'no_such_package'; repair or"),
        (("--transform", "unread"), "the plug-in transform 'unread' (unread:Unread) cannot be loaded: invalid syntax"),
        (("--drawer", "misspelt"), "event of Misspelt at step 400 'prnue'. Did you mean 'prune'? Known: evaluate, "),
        (("--drawer", "late"), "Late has the event 'prune' at step 401, after one at step 0 and in a training of 400"),
        (("--drawer", "gmp", "--recipe", "rung"), "unknown event of Rung at step 1 'bell'. Known: none."),
        (("--drawer", "selfish"), "the drawer 'selfish' needs itself (selfish -> selfish); name another one in its"),
    ],
    ids=lambda value: "-".join(value).lstrip("-") if isinstance(value, tuple) else "",
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_sentence(site, tmp_path, asked, told):
    assert told in refused(site, tmp_path, *asked)


def test_all_are_listed_and_the_sound_ones_work(site, tmp_path):
    listed = command(site, "bench.run", "--list")
    (line,) = (line for line in listed.stdout.splitlines() if line.startswith("drawers: "))
    assert listed.returncode == 0 and set(DRAWERS) <= set(line.removeprefix("drawers: ").split(", "))
    planned = command(
        site, "bench.run", "--drawer", "gmp,shy", "--control", "random", "--dry-run", "--home", tmp_path / "home"
    )
    assert planned.returncode == 0 and "shy" in planned.stdout, planned.stderr


def test_what_needs_a_draw_that_failed_fails_in_one_sentence(site, tmp_path):
    short = ("--source", "cls", "--target", "seg", "--control", "none", "--budget", 0.003, "--set", "size=32x32")
    done = command(site, "bench.run", "--drawer", "shy", *short, "--home", tmp_path)
    found = {one.kind: one for one in record.read_all(tmp_path / "records")}
    assert done.returncode == 1 and {one.status for one in found.values()} == {"failed"}
    assert found["draw"].error.startswith("RuntimeError: no score today")
    assert found["transfer"].error == f"the draw of its ticket failed; see the record {found['draw'].id}."
