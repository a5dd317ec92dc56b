"""bench.measure: tickets beside dense, once each, in a file of one machine; and what tables make of it."""

import csv
import io

import pytest
from samples import record
from toy import SPEC, TIMED, ToySource

from bench import measure, table
from bench.boards.formats import flat, markdown
from bench.boards.leaderboard import boards
from bench.boards.measured import with_speeds
from bench.command import console
from bench.records import speeds
from bench.records.speeds import Speeds, Timed
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.errors import UserError
from tickets.hosts import HOSTS
from tickets.ticket import Ticket
from tickets.training.settings import Settings

SETTINGS = Settings(4, 0.05, calibration_batches=1)
HASHES = ["a" * 64, "b" * 64, "c" * 64]


def call(capsys, *args):
    """Exit code, output and errors of a command line."""
    with pytest.raises(SystemExit) as left:
        console.main(measure.app, "python -m bench.measure", [str(arg) for arg in args])
    return left.value.code, *capsys.readouterr()


def timed(faster=2.0, mb=1.0):
    return Timed(
        size=(16, 16), faster=faster, low=faster, high=faster, ms=1.0, dense_ms=faster, mb=mb, dense_mb=4.0
    )  # fmt: skip


def told(**tickets):
    return Speeds(machine="m", engine="onnxruntime 1", threads=1, tickets=tickets)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with a dense ticket, a sparse one, and two that are not measured."""
    home = tmp_path_factory.mktemp("home")
    request = Request(SPEC, ToySource(), SETTINGS, 0.5, 0)
    dense = DRAWERS.make("dense").draw(request)
    dense.save(home / "tickets" / "dense_s0.0")
    small = DRAWERS.make("omp").draw(Request(SPEC, ToySource(), SETTINGS, 0.95, 0, given={"base": dense}))
    small.save(home / "tickets" / "small_s0.9")
    DRAWERS.make("dense").draw(Request(TIMED, ToySource(), SETTINGS, 0.0, 0)).save(home / "tickets" / "spiking")
    Ticket.dense(HOSTS.make("decoder/tiny")).save(home / "tickets" / "decoder")
    return home


def test_tickets_are_measured_once_beside_their_dense_host(home, capsys):
    code, out, err = call(capsys, "--home", home, "--rounds", 1)
    assert (code, err) == (0, "")
    assert "left out decoder: its host takes latents." in out
    assert "left out spiking: its neurons spike" in out
    found = speeds.read(home / "speed.json")
    files = {name: Ticket.load(home / "tickets" / name).hash for name in ("dense_s0.0", "small_s0.9")}
    assert set(found.tickets) == set(files.values())
    dense, small = (found.tickets[digest] for digest in files.values())
    assert dense.size == small.size == (16, 16)
    assert dense.mb == dense.dense_mb == small.dense_mb
    assert small.mb < small.dense_mb  # what is dead is not in its file
    assert small.low <= small.faster <= small.high
    assert "2 measured, 0 known before" in out
    before = (home / "speed.json").read_bytes()
    assert "0 measured, 2 known before" in call(capsys, "--home", home)[1]
    assert (home / "speed.json").read_bytes() == before


def test_speeds_of_another_setting_are_not_mixed_in(home, capsys):
    told(**{HASHES[0]: timed()}).save(home / "speed.json")
    code, _, err = call(capsys, "--home", home, "--threads", 1)
    assert code == 2
    assert "was measured on m by onnxruntime 1, 1 thread, and this is" in err
    assert "--force" in err
    one = home / "tickets" / "dense_s0.0.safetensors"
    assert call(capsys, one, "--home", home, "--force", "--rounds", 1)[0] == 0
    assert list(speeds.read(home / "speed.json").tickets) == [Ticket.load(one).hash]


def test_a_ticket_that_was_measured_at_another_size_is_measured_again(home, capsys):
    one = home / "tickets" / "small_s0.9.json"
    call(capsys, one, "--home", home, "--force", "--rounds", 1)
    assert "1 measured, 0 known before" in call(capsys, one, "--home", home, "--rounds", 1, "--size", 32)[1]
    assert next(iter(speeds.read(home / "speed.json").tickets.values())).size == (32, 32)


@pytest.mark.parametrize(
    ("text", "said"), [("{}", "Field required"), ("no json", "Invalid JSON"), ('{"schema": 2}', "schema")]
)
def test_a_file_that_is_none_of_ours_is_refused_by_name(tmp_path, text, said):
    (tmp_path / "speed.json").write_text(text)
    with pytest.raises(UserError, match=f"speed.json is none of bench.measure's: .*(?i:{said})"):
        speeds.read(tmp_path / "speed.json")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "there is no ticket in"),
        (("nowhere.json",), "does not exist; a ticket is two files"),
        (("--size", "big"), "big"),
        (("--rounds", "0"), "rounds"),
    ],
)
def test_mistakes_are_one_sentence_before_anything_is_exported(tmp_path, capsys, args, said):
    code, out, err = call(capsys, *args, "--home", tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_a_row_shows_the_mean_over_its_seeds_and_nothing_where_a_seed_was_not_measured():
    rows = [record(seed=seed, hash=HASHES[seed], drawer="omp") for seed in (0, 1)]
    rows += [record(seed=seed, hash=HASHES[2 * seed], drawer="imp") for seed in (0, 1)]
    found = with_speeds(boards(rows), told(**{HASHES[0]: timed(2.0, 1.0), HASHES[1]: timed(8.0, 3.0)}))
    by_drawer = {row.key.drawer: row for row in found[0].rows}
    assert (by_drawer["omp"].faster, by_drawer["omp"].file_share) == (pytest.approx(4.0), 0.5)
    assert (by_drawer["imp"].faster, by_drawer["imp"].file_share) == (None, None)
    cells = list(csv.DictReader(io.StringIO(flat.to_csv(found))))
    assert {row["drawer"]: row["file_share"] for row in cells} == {"omp": "0.5", "imp": ""}
    text = markdown.markdown(found)
    assert "| speed-up | file |" in text
    assert "4.00×" in text  # noqa: RUF001
    assert "on m by onnxruntime 1, 1 thread." in text


def test_tables_without_speeds_have_no_such_columns(tmp_path):
    record(hash=HASHES[0]).write(tmp_path / "records")
    assert "speed-up" not in table.render(tmp_path / "records", ["md"])["leaderboard.md"]
    told(**{HASHES[0]: timed()}).save(tmp_path / "speed.json")
    assert "2.00×" in table.render(tmp_path / "records", ["md"])["leaderboard.md"]  # noqa: RUF001
