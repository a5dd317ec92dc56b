"""Plug-ins that fail while they are imported, in whatever way: told with their names, and no command ends with them."""

import pytest

from bench import run
from bench.command import console
from tickets.drawers import DRAWERS
from tickets.errors import UserError

DISTRIBUTION = "Metadata-Version: 2.1\nName: acme-tickets\nVersion: 1.5\n"
BODIES = {
    "import sys; sys.exit(0)": r"it calls sys\.exit\(0\)",
    "raise SystemExit": r"it calls sys\.exit\(None\)",
    "raise BaseException('all of it')": "all of it",
    "raise GeneratorExit": "GeneratorExit",
    "class Odd(BaseException): pass\nraise Odd('own\\nkind')": "own kind",
    "def f(): f()\nf()": "maximum recursion depth",
    "raise MemoryError": "MemoryError",
    "1 / 0": "division by zero",
    "x = '": "unterminated string",
}


@pytest.fixture(params=BODIES, ids=lambda body: body[:20])
def broken(request, tmp_path, monkeypatch):
    """Installs a distribution whose drawer fails; gives the reason."""
    (tmp_path / "acme_broken.py").write_text(f"{request.param}\n")
    folder = tmp_path / "acme_tickets-1.5.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(DISTRIBUTION)
    (folder / "entry_points.txt").write_text("[ticketbench.drawers]\nbroken = acme_broken:Broken\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(vars(DRAWERS), "_plugins", raising=False)
    yield BODIES[request.param]
    vars(DRAWERS).pop("_plugins", None)


def test_any_exception_at_import_is_told_with_plug_in_and_distribution(broken):
    with pytest.raises(
        UserError,
        match=rf"^the plug-in drawer 'broken' \(acme_broken:Broken\) cannot be loaded: .*{broken}.*; repair or "
        r"uninstall "
        r"the package that registers it, acme-tickets\.$",
    ):
        DRAWERS.load("broken")


def test_a_command_goes_on_to_its_own_end(broken, capsys, tmp_path):
    words = ["--source", "cls", "--target", "none", "--drawer", "broken", "--home", str(tmp_path / "h"), "--dry-run"]
    with pytest.raises(SystemExit) as left:
        console.main(run.app, "bench.run", words)
    told = capsys.readouterr().err
    assert left.value.code == 2 and "acme-tickets" in told and told.count("\n") == 1


def test_an_interruption_at_import_is_the_users(tmp_path, monkeypatch):
    (tmp_path / "acme_waits.py").write_text("raise KeyboardInterrupt\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TICKETBENCH_MEMBERS", "")
    with pytest.raises(KeyboardInterrupt):
        DRAWERS.register("waits", "acme_waits:Waits")
    assert "waits" not in DRAWERS.names()
