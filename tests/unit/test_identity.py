"""Published ids stay: the name of every published record follows from what it says, without any training."""

from dataclasses import dataclass
from pathlib import Path

from bench.audit import replica
from bench.jobs import identity
from bench.records import record
from bench.request.plan import chain
from bench.request.scale import Scale
from tasks.base import Task
from tickets.ticket import Ticket

PUBLISHED = Path(__file__).parents[2] / "results" / "records"
GOLDEN = Path(__file__).parents[1] / "golden"
OUTDATED = {"seg/camvid"}
"""Tasks of which published rows are of an older version."""


@dataclass
class Told:
    """Tasks that need no data, with the fingerprints that a record tells."""

    found: record.Record

    def task(self, name: str, scale: Scale) -> tuple[Task, dict[str, str]]:
        """As `replica.Data` has it."""
        return scale.plan(name).task(name, Path("nowhere")), self.found.fingerprints[name]


def test_the_published_ids_are_those_that_this_version_gives():
    """Draws (searched, with a base, dense), transfers, controls of all kinds, native rows, real data."""
    seen = 0
    for found in record.each(PUBLISHED):
        if OUTDATED & set(found.fingerprints):
            continue
        work = replica.work_of(found, Path("nowhere"), Told(found), "cpu")
        ids = identity.identify_all(chain(work.job), work.facts)
        assert ids[work.job] == found.id
        assert replica.draw_of(found) == next((ids[need] for need in work.job.needs.values()), None)
        seen += 1
    assert seen > 400


def test_a_ticket_of_format_2_is_written_again_as_it_was(tmp_path):
    """A file from before the protocols were widened: the same bytes, the same hash."""
    ticket = Ticket.load(GOLDEN / "ticket")
    assert ticket.save(tmp_path / "ticket") == ticket.hash
    for suffix in (".safetensors", ".json"):
        assert (tmp_path / f"ticket{suffix}").read_bytes() == (GOLDEN / f"ticket{suffix}").read_bytes()
