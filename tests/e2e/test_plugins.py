"""Six members of another distribution, one a noun: listed, drawn, transferred, in a table; what they did was counted.

Their files lie in tests/plugins, docs/extending.md tells how they came to be.
"""

import csv
import hashlib
import io
import math
import tomllib

import pytest
from sites import ROOT, command, install, see

from bench.records import record
from tickets import Ticket

FOLDER = ROOT / "tests" / "plugins"
PROJECT = tomllib.loads((FOLDER / "pyproject.toml").read_text())
POINTS = PROJECT["project"]["entry-points"]
LINES = {"swap": 40, "fisher": 25, "distil": 30, "pyramid": 30, "dealt": 25, "along_inputs": 30}
NOUNS = {
    "drawer": "swap", "scorer": "fisher", "recipe": "distil", "transform": "dealt", "host": "pyramid/small",
    "pattern": "along_inputs",
}  # fmt: skip
FISHER, COLUMNS = "omp@scorer=fisher", "omp@pattern=along_inputs"
SHORT = ("--budget", 0.01, "--control", "none", "--set", "size=32x32")
BATCH, CALIBRATION, SCORED = 32, 10, 8
"""Images of a batch at the scale tiny; batches that batch norms are recalibrated on, and that a scorer looks at."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The six, installed."""
    files = {path.name: path.read_text() for path in FOLDER.glob("*.py")}
    return install(tmp_path_factory.mktemp("site"), PROJECT["project"]["name"], files, POINTS)


@pytest.fixture(scope="module")
def home(site, tmp_path_factory):
    """A home after two runs with them: on the supernet, and on the host that is one of them."""
    home = tmp_path_factory.mktemp("run") / "home"
    runs = (
        ("--drawer", f"swap,{FISHER},{COLUMNS}", "--transform", "dealt", "--sparsity", 0.5),
        ("--drawer", "swap", "--recipe", "finetune,distil", "--host", "pyramid/small", "--sparsity", 0.8),
    )
    for asked in runs:
        done = command(site, "bench.run", "--source", "cls", "--target", "seg", *asked, "--home", home, *SHORT)
        assert done.returncode == 0, done.stdout + done.stderr
    return home


@pytest.fixture(scope="module")
def records(home):
    """All records, none of them failed."""
    found = record.read_all(home / "records")
    assert [one.error for one in found if one.status != "ok"] == []
    return found


def only(records, kind, drawer, **more):
    """The one record of a kind and a drawer, and of further keys of the job."""
    of = [one for one in records if one.kind == kind and one.job.drawer == drawer]
    (found,) = (one for one in of if all(getattr(one.job, key) == value for key, value in more.items()))
    return found


@pytest.mark.parametrize(("name", "limit"), LINES.items())
def test_each_is_short_and_uses_the_public_face_alone(name, limit):
    lines = (FOLDER / f"{name}.py").read_text().splitlines()
    assert sum(bool(line.strip()) for line in lines) <= limit
    imports = [line.split()[1] for line in lines if line.startswith(("from ", "import "))]
    assert {module for module in imports if module.startswith(("tickets", "tasks", "bench"))} <= {"tickets", "tasks"}


def test_each_is_listed(site):
    listed = command(site, "bench.run", "--list").stdout.splitlines()
    for noun, name in NOUNS.items():
        (line,) = (line for line in listed if line.startswith(f"{noun}s: "))
        assert line.endswith(f", {name}") or f", {name}," in line


def test_records_name_their_code(records):
    expected = {
        "swap": only(records, "draw", "swap", sparsity=0.5),
        "fisher": only(records, "draw", FISHER),
        "along_inputs": only(records, "draw", COLUMNS),
        "dealt": only(records, "transfer", FISHER, transform="dealt"),
        "distil": only(records, "transfer", "swap", recipe="distil"),
        "pyramid": only(records, "draw", "swap", sparsity=0.8),
    }
    for module, found in expected.items():
        data = (FOLDER / f"{module}.py").read_bytes()
        source = hashlib.sha256(f"{module}.py\0{len(data)}\0".encode() + data).hexdigest()
        (code,) = (one for one in found.code if one.source == source)
        assert (code.distribution, code.version) == ("ticketbench-six", "0.1")
        assert code.name == NOUNS[code.noun] and (code.is_public, code.dirty) == (True, False)


@pytest.mark.parametrize("sparsity", [0.5, 0.8])
def test_swap_keeps_the_exact_count_at_the_densities_of_its_law(home, records, sparsity, monkeypatch, site):
    see(monkeypatch, site)  # the host of one of them
    ticket = Ticket.load(home / "tickets" / f"{only(records, 'draw', 'swap', sparsity=sparsity).id}.json")
    assert ticket.prunable - ticket.kept == round(sparsity * ticket.prunable)
    shapes = {layer["name"]: layer["shape"] for layer in ticket.layers()}
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    low, high = 0.0, 1e6
    for _ in range(200):  # the factor at which the densities min(1, factor * sum / product) have the right mean
        factor = (low + high) / 2
        exact = {name: min(float(sizes[name]), factor * sum(shape)) for name, shape in shapes.items()}
        low, high = (factor, high) if sum(exact.values()) < ticket.kept else (low, factor)
    for layer in ticket.layers():
        assert abs(layer["kept"] - exact[layer["name"]]) <= 1
    assert len({round(count / sizes[name], 2) for name, count in exact.items()}) > 3  # they do differ


def test_swap_is_sparse_from_the_first_step_on(records):
    found = only(records, "draw", "swap", sparsity=0.5)
    assert found.costs.sparse_training_macs < 0.8 * found.costs.training_macs


def test_what_fisher_computes_is_counted(records):
    """A batch that is scored is three forward passes; before, after and at the end batch norms are recalibrated."""
    found = only(records, "draw", FISHER)
    images = BATCH * (3 * SCORED + 3 * CALIBRATION)
    assert found.costs.images == images and found.costs.training_macs == images * found.deployed.macs
    assert found.costs.drawing_macs == only(records, "draw", "dense", source="cls/figures").costs.training_macs


def test_the_pattern_holds(records, home, monkeypatch, site):
    found = only(records, "draw", COLUMNS)
    assert (found.ticket.pattern, found.ticket.sparsity) == ("along_inputs", 0.5)
    see(monkeypatch, site)
    masks = Ticket.load(home / "tickets" / f"{found.id}.json").host.masks
    for mask in masks.values():
        rows = mask.movedim(1, -1) if mask.shape[1] % 4 == 0 else mask.movedim(0, -1)
        assert (rows.reshape(-1, 4).sum(1) == 2).all()


def test_what_the_teacher_says_is_counted(records):
    plain, taught = (only(records, "transfer", "swap", sparsity=0.8, recipe=name) for name in ("finetune", "distil"))
    teacher = only(records, "draw", "dense", source="seg/figures")
    steps = taught.config["settings"]["steps"]
    assert taught.costs.teacher_macs == steps * BATCH * teacher.deployed.macs > 0 == plain.costs.teacher_macs
    assert taught.costs.training_macs - plain.costs.training_macs == taught.costs.teacher_macs
    assert taught.costs.drawing_macs - plain.costs.drawing_macs == teacher.costs.training_macs
    assert taught.needs == {"teacher": teacher.id}


def test_dealt_tickets_rank_as_tickets(site, home):
    table = command(site, "bench.table", home / "records", "--format", "csv")
    assert table.returncode == 0, table.stderr
    rows = {row["drawer"]: row for row in csv.DictReader(io.StringIO(table.stdout)) if row["transform"] == "dealt"}
    assert set(rows) == {"swap", FISHER, COLUMNS}
    assert all(row["rank"] and not row["control"] for row in rows.values())
    shown = command(site, "bench.table", home / "records").stdout
    assert all(text in shown for text in ("dealt of swap", "| distil |", r"along\_inputs"))


@pytest.mark.parametrize(("noun", "name"), NOUNS.items())
def test_each_keeps_its_contract(site, noun, name):
    done = command(site, "bench.check", noun, name)
    assert done.returncode == 0 and " 0 failed" in done.stdout, done.stdout + done.stderr
