"""Names: one grammar for all nouns, aliases, families, options, and plug-ins of other packages, good and bad."""

import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar, Literal

import pytest

from bench.records.members import digest, sources
from tasks import TASKS
from tickets.drawers import DRAWERS
from tickets.drawers.base import Drawer
from tickets.drawers.gmp import GradualMagnitude
from tickets.drawers.prune_once import PruneOnce
from tickets.errors import UserError
from tickets.hosts import HOSTS, spec_from_json
from tickets.hosts.supernet import TINY
from tickets.patterns import PATTERNS
from tickets.recipes import RECIPES
from tickets.registry import BY_HAND, Member, Registry
from tickets.scorers import SCORERS
from tickets.traits import Need, Traits, based_on
from tickets.transforms import TRANSFORMS

TABLES = (TASKS, DRAWERS, RECIPES, SCORERS, TRANSFORMS, HOSTS, PATTERNS)


@dataclass(frozen=True)
class Vessel:
    """What the registry of these tests holds."""

    traits: ClassVar[Traits] = Traits()
    size: int = 1
    kind: Literal["cup", "mug"] = "cup"
    level: float = 0.5
    full: bool = False

    def __post_init__(self) -> None:
        if self.size < 1:
            raise UserError(f"size is {self.size}; give at least 1")


@dataclass(frozen=True)
class Pot(Vessel):
    """Another one, with a trait."""

    traits: ClassVar[Traits] = Traits(prunes=False)
    lid: bool = True


LARGE = Pot(size=9)
"""An instance whose fields are the defaults of a name."""


class Stone:
    """Not a vessel."""


def made_of(what: str) -> Vessel:
    """A member of the family: as large as its name is long."""
    if what == "sand":
        raise UserError("sand does not hold; give clay.")
    return Vessel(size=len(what))


def table(points=(), monkeypatch=None) -> Registry[Vessel]:
    """A registry with a class, a variant, an instance, an alias, a family and these plug-ins."""
    found = Registry(
        "vessel",
        {
            "cup": Member(f"{__name__}:Vessel", traits=Traits()),
            "mug": Member(f"{__name__}:Vessel", {"kind": "mug"}),
            "large": Member(f"{__name__}:LARGE"),
        },
        "test.vessels",
        f"{__name__}:Vessel",
        "cup@size=2",
        aliases={"beaker": "mug"},
        families={"made": f"{__name__}:made_of"},
    )
    if monkeypatch:
        known = [as_of(*point) for point in points]
        monkeypatch.setattr("tickets.registry.entry_points", lambda group: known if group == "test.vessels" else [])
    return found


def as_of(name: str, target: str, package: str = "potter"):
    """An entry point of a package."""
    value = target if ":" in target else f"{__name__}:{target}"
    return SimpleNamespace(name=name, value=value, group="test.vessels", dist=SimpleNamespace(name=package))


# ---- what comes with the project


@pytest.mark.parametrize(
    ("table", "name"),
    [(table, name) for table in TABLES for name in table.builtin],
    ids=lambda value: value if isinstance(value, str) else value.noun,
)
def test_every_built_in_name_is_a_member_of_its_kind(table, name):
    module, _, attribute = table.base.partition(":")
    base = getattr(__import__(module, fromlist=[attribute]), attribute)
    found = table.load(name)
    assert issubclass(found if isinstance(found, type) else type(found), base)
    assert table.resolve(name) == name and table.distribution(name) is None and ":" in table.target(name)


@pytest.mark.parametrize("table", [DRAWERS, RECIPES, TRANSFORMS, HOSTS], ids=lambda table: table.noun)
def test_the_facts_of_the_tables_are_those_of_the_members(table):
    for name, traits in table.traits_by_name():
        assert table.make(name).traits == traits, name


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.noun)
def test_every_noun_refuses_an_unknown_name_with_a_suggestion_and_takes_plug_ins(table):
    first = next(iter(table.builtin))
    with pytest.raises(UserError, match=rf"^unknown {table.noun} '{first}x'\. Did you mean '{first}'\? Known: "):
        table.resolve(f"{first}x")
    assert table.group == f"ticketbench.{table.noun}s"


def test_aliases_mean_the_embedded_data():
    assert [TASKS.resolve(kind) for kind in ("cls", "seg", "pose")] == ["cls/figures", "seg/figures", "pose/figures"]


# ---- names and options


def test_a_name_stands_for_a_class_a_variant_or_an_instance():
    known = table()
    assert known.make("cup") == Vessel() and known.make("mug") == Vessel(kind="mug") and known.make("large") is LARGE
    assert known.make("large@kind=mug") == Pot(size=9, kind="mug") and known.make("beaker@size=2") == Vessel(2, "mug")
    assert known.load("large") is LARGE and known.load("mug@size=3") is Vessel


def test_options_are_of_the_fields_types_and_sorted_in_the_full_name():
    known = table()
    assert known.make("cup@size=3@level=0.25@full=true@kind=mug") == Vessel(3, "mug", 0.25, True)
    assert known.resolve("beaker@size=3@full=true") == "mug@full=true@size=3"
    assert known.parts("beaker@size=3") == ("mug", {"size": "3"})


def test_known_options_hold_unless_the_name_says_otherwise_and_only_where_they_are_known():
    known = table()
    assert known.make("cup", {"size": 4, "rho": 0.3}) == Vessel(4)
    assert known.make("cup@size=2", {"size": 4}) == Vessel(2) and known.make("mug", {"kind": "cup"}).kind == "cup"
    assert DRAWERS.make("supertickets", {"rho": 0.3}).rho == 0.3 and DRAWERS.make("gmp", {"rho": 0.3})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cup@size=large", r"^vessel cup, option size: Input should be a valid integer.*; got {'size': 'large'}\.$"),
        ("cup@size=2.5", r"^vessel cup, option size: Input should be a valid integer"),
        ("cup@level=much", r"^vessel cup, option level: Input should be a valid number"),
        ("cup@full=perhaps", r"^vessel cup, option full: Input should be a valid boolean"),
        ("cup@kind=jug", r"^vessel cup, option kind: Input should be 'cup' or 'mug'; got {'kind': 'jug'}\.$"),
        ("cup@size=0", r"^vessel cup: size is 0; give at least 1; got {'size': '0'}\.$"),
        (
            "cup@sise=2",
            r"^unknown option of the vessel cup 'sise'\. Did you mean 'size'\? Known: size, kin",
        ),
        ("cup@size", r"^'cup@size' is no vessel with options; write cup@size=2\.$"),
        ("cup@=2", r"^'cup@=2' is no vessel with options"),
        ("cup@size=", r"^'cup@size=' is no vessel with options"),
    ],
)
def test_wrong_options_are_refused_in_one_sentence(name, message):
    with pytest.raises(UserError, match=message):
        table().resolve(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gmp@start=soon", "drawer gmp, option start: Input should be a valid number"),
        ("gmp@start=0.9", "drawer gmp: start 0.9, stop 0.8 and interval"),
        (
            "omp@allocation=even",
            "drawer omp, option allocation: Input should be 'global', 'uniform', 'erk', 'lamp' or 'row'",
        ),
        ("omp@scorer=snap", "drawer omp: unknown scorer 'snap'. Did you mean 'snip'?"),
        ("omp@scorer=snip@batches=0", "drawer omp: batches is 0; a scorer needs"),
        ("omp@base=dens", "drawer omp: unknown drawer 'dens'. Did you mean 'dense'?"),
        ("imp@pattern=2:5", "drawer imp: unknown pattern '2:5'. Did you mean"),
    ],
)
def test_drawers_say_which_option_is_wrong(name, message):
    with pytest.raises(UserError) as told:
        DRAWERS.traits(name)
    assert str(told.value).startswith(message)


# ---- families


def test_a_family_makes_its_members_from_what_follows_the_slash():
    known = table()
    assert known.make("made/clay") == Vessel(4) and known.make("made/clay@kind=mug") == Vessel(4, "mug")
    assert known.resolve("made/clay") == "made/clay" and known.target("made/clay").endswith(":made_of")
    assert "made/clay" not in known.names() and known.traits("made/clay") == Traits()
    with pytest.raises(UserError, match=r"^sand does not hold; give clay\.$"):
        known.resolve("made/sand")
    for name in ("made/", "made", "mode/clay"):
        with pytest.raises(UserError, match=r"Known: beaker, cup, mug, large, made/NAME\.$"):
            known.resolve(name)


# ---- plug-ins


def test_plug_ins_are_found_made_and_told_where_they_come_from(monkeypatch):
    known = table([("pot", "Pot"), ("tureen", "LARGE")], monkeypatch)
    assert known.names() == ["cup", "mug", "large", "pot", "tureen"]
    assert known.make("pot@size=2@lid=false") == Pot(2, lid=False) and known.make("tureen@kind=mug").size == 9
    assert known.traits("pot") == known.traits("tureen@size=2") == Traits(prunes=False)
    assert known.distribution("pot").name == "potter" and known.target("pot@size=2") == f"{__name__}:Pot"
    assert [name for name, _ in known.traits_by_name()] == ["cup", "mug", "large"]
    with pytest.raises(UserError, match=r"^unknown vessel 'tot'\. Did you mean 'pot'\? Known: beaker, cup, mug"):
        known.load("tot")


def test_two_plug_ins_of_one_name_are_both_named_and_the_others_work(monkeypatch):
    known = table([("pot", "Pot", "smith"), ("pot", "Vessel", "potter"), ("tub", "Pot")], monkeypatch)
    for call in (known.load, known.make, known.resolve, known.traits, known.target, known.distribution):
        with pytest.raises(UserError, match=r"^two plug-ins register the vessel 'pot': \S+:Pot of smith and \S+:Vess"):
            call("pot")
    assert known.make("tub") == Pot() and known.make("cup") == Vessel()


def test_one_plug_in_that_is_found_twice_is_one(monkeypatch):
    """As where a package is installed and lies on the path, too."""
    assert table([("pot", "Pot"), ("pot", "Pot")], monkeypatch).make("pot") == Pot()


def test_a_plug_in_that_takes_a_built_in_s_name_is_refused(monkeypatch):
    known = table([("cup", "Pot")], monkeypatch)
    for name in ("cup", "cup@size=2"):
        with pytest.raises(UserError, match=r"^the vessel 'cup' comes with ticketbench, and \S+:Pot of potter r"):
            known.make(name)
    assert known.names() == ["cup", "mug", "large"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "Stone",
            r"^the plug-in vessel 'pot' \(\S+:Stone\) is a \w+ and no vessel; derive its class from \S+\.Vessel",
        ),
        ("made_of", r"^the plug-in vessel 'pot' \(\S+:made_of\) is a function and no vessel;"),
        ("TABLES", r"^the plug-in vessel 'pot' \(\S+:TABLES\) is a tuple and no vessel;"),
        ("Nothing", r"^the plug-in vessel 'pot' \(\S+:Nothing\) cannot be loaded: .*'Nothing'; repair or uninstall"),
        (
            "no_such_package.thing:Thing",
            r"^the plug-in vessel 'pot' .*cannot be loaded: No module named 'no_such",
        ),
    ],
)
def test_an_entry_that_is_no_such_thing_is_named_and_the_others_work(monkeypatch, target, message):
    known = table([("pot", target), ("tub", "Pot")], monkeypatch)
    for call in (known.load, known.make, known.traits):
        with pytest.raises(UserError, match=message):
            call("pot")
    assert known.make("tub") == Pot() and known.names()[-2:] == ["pot", "tub"]


# ---- nouns that use each other


@dataclass(frozen=True)
class Circular(PruneOnce):
    """A drawer that starts from itself."""

    base: str = "circular"


def test_a_drawer_that_needs_itself_is_refused(monkeypatch):
    point = EntryPoint("circular", f"{__name__}:Circular", DRAWERS.group)
    monkeypatch.setitem(vars(DRAWERS), "_plugins", {"circular": [point]})
    with pytest.raises(UserError, match=r"^the drawer 'circular' needs itself \(circular -> circular\); na"):
        DRAWERS.traits("circular")
    with pytest.raises(UserError, match=r"needs itself"):
        DRAWERS.traits("omp@base=circular")


@dataclass(frozen=True)
class Ping(Drawer):
    """Says that it needs a drawer that needs it."""

    traits: ClassVar[Traits] = Traits(based_on("pong"))


@dataclass(frozen=True)
class Pong(Drawer):
    """The other one."""

    traits: ClassVar[Traits] = Traits((Need("teacher", "ping"),))


def test_two_drawers_that_need_each_other_are_refused(monkeypatch):
    points = {name: [EntryPoint(name, f"{__name__}:{name.title()}", DRAWERS.group)] for name in ("ping", "pong")}
    monkeypatch.setitem(vars(DRAWERS), "_plugins", points)
    with pytest.raises(UserError, match=r"^the drawer 'ping' needs itself \(ping -> pong -> ping\)"):
        DRAWERS.traits("ping")
    assert DRAWERS.traits("omp") and DRAWERS.make("gmp") == GradualMagnitude()


def test_hosts_take_options_and_a_description_finds_its_class_again(monkeypatch):
    wide = HOSTS.make("supernet/tiny@expansion=3")
    assert wide.expansion == 3 and wide.stem == TINY.stem and spec_from_json(wide.to_json()) == wide
    with pytest.raises(UserError, match=r"^the host's description .* is none of the kind supernet: KeyError\('stag"):
        spec_from_json({"kind": "supernet", "stem": 4})


FILE = """
from dataclasses import dataclass
from tickets import Drawer

@dataclass(frozen=True)
class Mine(Drawer):
    share: float = SHARE

class Other:
    pass
"""


@pytest.fixture
def by_hand(tmp_path, monkeypatch):
    """A module in a folder on the path; what is registered does not last."""
    (tmp_path / "by_hand_module.py").write_text(FILE.replace("SHARE", "0.5"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(BY_HAND, "")
    yield tmp_path / "by_hand_module.py"
    os.environ.pop(BY_HAND)
    sys.modules.pop("by_hand_module", None)
    vars(DRAWERS).pop("_plugins", None)


def test_a_class_in_a_file_is_registered_by_a_call_and_again_after_an_edit(by_hand):
    assert "mine" not in DRAWERS.names()
    DRAWERS.register("mine", "by_hand_module:Mine")
    assert "mine" in DRAWERS.names() and DRAWERS.make("mine").share == 0.5 and not DRAWERS.is_ours("mine")
    by_hand.write_text(FILE.replace("SHARE", "0.125"))
    DRAWERS.register("mine", "by_hand_module:Mine")
    assert DRAWERS.make("mine").share == 0.125
    assert os.environ[BY_HAND] == "ticketbench.drawers/mine=by_hand_module:Mine"


def test_processes_that_are_started_know_it_and_records_name_its_source(by_hand):
    DRAWERS.register("mine", "by_hand_module:Mine")
    told = (
        "from asked import config, facts; from bench.jobs.identity import codes; from bench.request.plan import jobs;"
        "asked = config(drawer='mine', target='none'); print([c.source for c in codes(jobs(asked)[0], facts(asked))])"
    )
    path = os.pathsep.join([str(by_hand.parent), *(str(Path(__file__).parents[up]) for up in (1, 2))])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", told], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout == f"{[digest(sources('by_hand_module'))]}\n", done.stderr


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("mine", "__main__:Mine", "in a file of its own on Python's path"),
        ("mine", "by_hand_module", "give a name and MODULE:CLASS"),
        ("mi ne", "by_hand_module:Mine", "give a name and MODULE:CLASS"),
        ("mine", "by_hand_module:Other", "is a type and no drawer; derive its class from"),
        ("mine", "by_hand_module:Thine", "cannot be loaded: module 'by_hand_module' has no attribute 'Thine'"),
        ("mine", "no_module_of_that_name:Mine", "cannot be loaded: No module named"),
        ("omp", "by_hand_module:Mine", "the drawer 'omp' comes with ticketbench"),
    ],
)
def test_what_cannot_be_registered_is_refused_and_not_added(by_hand, name, target, message):
    names = DRAWERS.names()
    with pytest.raises(UserError) as caught:
        DRAWERS.register(name, target)
    assert message in str(caught.value)
    assert DRAWERS.names() == names and os.environ[BY_HAND] == ""
