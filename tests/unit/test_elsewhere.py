"""Transforms that draw from another host than the run's: planned, named, refused, run, told and compared."""

from dataclasses import replace
from functools import partial

import pytest
from asked import config, facts, kinds
from foreign import register
from homes import done, few_images, short_facts
from samples import record

from bench.audit import replica
from bench.audit.plausible import wrong
from bench.boards.leaderboard import boards
from bench.jobs.identity import determinants, identify_all
from bench.jobs.store import Store
from bench.jobs.work import Work
from bench.publish import Publisher
from bench.request import kernels
from bench.request.hosts import drawn_from
from bench.request.plan import chain, describe, jobs
from tasks import TASKS
from tickets.cost import dense_macs, layer_costs
from tickets.errors import UserError
from tickets.hosts import HOSTS
from tickets.ticket import Ticket
from tickets.transforms import TRANSFORMS

THERE, HERE = "supernet/tiny", "supernet/tiny2"
ASKED = {"drawer": "imp", "recipe": "rewind", "host": HERE, "control": "none", "target": "cls"}


def known(asked):
    """The facts of a configuration on embedded tasks, as if their data were there."""
    tasks = {name: TASKS.load(name)() for sweep in asked.sweeps for name in sweep.tasks}
    return facts(asked, tasks=tasks, fingerprints={name: {"train": "a1b2c3d4e5f60718"} for name in tasks})


def ids(**changes):
    """The jobs of a configuration and the names of their records."""
    asked = config(**changes)
    return identify_all(jobs(asked), known(asked))


# ---- planned


def test_a_ticket_of_another_host_is_drawn_from_that_and_trained_on_the_run_s():
    found = jobs(config(**ASKED, transform="none,elastic"))
    assert [str(job) for job in found] == [
        "draw imp at 0.9 on cls/figures, seed 0",
        "draw imp at 0.9 on cls/figures from supernet/tiny, seed 0",
        "imp at 0.9 cls/figures -> cls/figures by rewind, seed 0",
        "elastic(imp) at 0.9 cls/figures -> cls/figures by rewind, seed 0",
    ]
    here, there, plain, moved = found
    assert plain.needs == {"ticket": here} and moved.needs == {"ticket": there}
    assert (here.host, there.host) == (None, THERE)
    assert (plain.host_drawn, moved.host_drawn, there.host_drawn) == (None, THERE, None)
    assert [job.where for job in found[1:3]] == [("cls/figures", THERE), ("cls/figures", None)]


def test_only_the_ticket_of_the_other_host_is_drawn_where_no_other_is_asked_for():
    found = jobs(config(**{**ASKED, "drawer": "omp", "recipe": "finetune"}, transform="elastic"))
    assert [(job.drawer, job.kind, job.host) for job in found] == [
        ("dense", "draw", THERE), ("omp", "draw", THERE), ("omp", "transfer", None),
    ]  # fmt: skip


def test_what_a_recipe_needs_is_of_the_run_s_host_and_what_a_draw_starts_from_of_its_own(monkeypatch):
    from tickets.recipes import RECIPES

    register(monkeypatch, RECIPES, taught="foreign:Taught")
    moved = jobs(config(**{**ASKED, "drawer": "omp", "recipe": "taught"}, transform="elastic"))[-1]
    assert {role: (need.drawer, need.host) for role, need in moved.needs.items()} == {
        "ticket": ("omp", THERE), "teacher": ("dense", None),
    }  # fmt: skip


def test_the_draw_is_the_very_job_of_a_run_on_that_host():
    """Its name is the same, so that it is shared in one home; nobody else's name says anything of other hosts."""
    moved, plain = ids(**ASKED, transform="elastic"), ids(**{**ASKED, "host": THERE})
    (there,) = [job for job in moved if job.host]
    (own,) = [job for job in plain if job.kind == "draw"]
    assert moved[there] == plain[own] and describe(there) == describe(own)
    same = ids(**ASKED, transform="none,elastic")
    assert all("host_drawn" not in describe(job) for job in same if job.transform is None)
    assert {name for job, name in ids(**ASKED).items()} < set(same.values())
    (transfer,) = [job for job in moved if job.kind == "transfer"]
    assert describe(transfer)["host_drawn"] == THERE


def test_the_other_host_is_part_of_the_transform_s_name():
    both = "elastic,elastic@host=supernet/tiny3"
    found = jobs(config(**ASKED, transform=both))
    assert {job.host for job in found if job.kind == "draw"} == {THERE, "supernet/tiny3"}
    assert len({job.prefix for job in found if job.kind == "transfer"}) == 2
    assert drawn_from(config(**ASKED, transform=both).sweeps[0], HERE) == [THERE, "supernet/tiny3"]


def test_its_control_is_planned_beside_the_ticket_of_its_host_and_beside_the_plain_one():
    control = {**ASKED, "control": "random,elastic_permuted"}
    for transform, wanted in (("none,elastic", {"draw": 2, "transfer": 2, "random": 1, "elastic_permuted": 1}),
                              ("elastic", {"draw": 1, "transfer": 1, "elastic_permuted": 1}),
                              ("none", {"draw": 2, "transfer": 1, "random": 1, "elastic_permuted": 1}),
                              ("elastic@host=supernet/tiny3", {"draw": 1, "transfer": 1})):  # fmt: skip
        assert kinds(jobs(config(**control, transform=transform))) == wanted, transform
    named = jobs(config(**{**ASKED, "control": "elastic_permuted@order=interpolate"}, transform="elastic"))[-1]
    assert named.control == "elastic_permuted" and named.host_drawn == THERE
    assert record(**{**describe(named), "kind": "control"}).job.transform == "elastic_permuted@order=interpolate"


def test_all_transforms_are_those_that_can_make_tickets_of_the_run_s_host():
    moving = {
        name for name, traits in TRANSFORMS.traits_by_name() if traits.draws_from == THERE and not traits.is_control
    }
    here, there = (
        set(config(**{**ASKED, "host": host}, transform="all").sweeps[0].transforms) for host in (HERE, THERE)
    )
    assert moving <= here and here - there == moving and None in there


# ---- refused, before any data are touched


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"host": THERE, "transform": "elastic"},
            "the transform elastic: the draw's host supernet/tiny is the target's, and nothing is stretched; leave the "
            "transform out, or give it another host.",
        ),
        (
            {"host": "supernet/small", "transform": "elastic"},
            "the transform elastic: supernet/tiny has branches 1, 2, 3 and supernet/small 1, 2, 3, 4; stretch inside "
            "one family of hosts.",
        ),
        (
            {"host": "timm/resnet18", "transform": "elastic@host=timm/resnet26"},
            "the transform elastic@host=timm/resnet26: timm/resnet26 has blocks Bottleneck and timm/resnet18 "
            "BasicBlock; stretch inside one family of hosts.",
        ),
        (
            {"control": "elastic_permuted", "host": THERE},
            "the transform elastic_permuted: the draw's host supernet/tiny is the target's, and nothing is stretched; ",
        ),
        (
            {"control": "elastic_permuted@host=supernet/tiny3"},
            "the transform elastic_permuted@host=supernet/tiny3: a ticket of supernet/tiny3 is squeezed to "
            "supernet/tiny2, and no block is copied twice whose mask could be shuffled; leave the control "
            "elastic_permuted out.",
        ),
        (
            {"drawer": "gmp", "transform": "elastic"},
            "the recipe rewind needs a rewind point and the drawer gmp keeps none; draw with imp, ",
        ),
        (
            {"transform": "elastic@order=random"},
            "transform elastic: order is 'random'; give append or interpolate; got",
        ),
        ({"transform": "elastic_permuted"}, "the transform elastic_permuted makes controls and no tickets; give it by"),
    ],
)
def test_what_cannot_be_carried_over_is_refused_in_one_sentence(changes, said):
    with pytest.raises(UserError) as error:
        config(**{**ASKED, **changes})
    assert str(error.value).startswith(said) and "\n" not in str(error.value)


def test_drawers_and_images_are_held_against_the_host_that_is_drawn_from(monkeypatch):
    """Plug-ins that carry tickets of timm hosts to the supernet: no search there, and images of another size."""
    register(monkeypatch, TRANSFORMS, carried="foreign:Carried", sized="foreign:Sized")
    assert kinds(jobs(config(transform="carried", drawer="gmp", control="none"))) == {"draw": 1, "transfer": 1}
    with pytest.raises(
        UserError, match="the drawer supertickets searches an architecture, and timm/resnet18 has no units"
    ):
        config(transform="carried")
    with pytest.raises(UserError, match=r"^the transform carried: its tickets are drawn from timm/resnet18, the run's"):
        config(transform="carried", drawer="gmp", host="timm/resnet18")
    with pytest.raises(UserError, match="the host timm/vit_tiny_patch16_224 cannot take 64x64 images"):
        config(transform="sized", drawer="gmp")


# ---- computed by what is there


def test_kernels_are_those_of_the_run_where_the_other_host_has_search_blocks(monkeypatch):
    asked = config(**ASKED, transform="elastic")
    setting = asked.setting.model_copy(update={"kernels": "portable"})
    assert kernels.moved(setting, THERE) == setting.model_copy(update={"host": THERE})
    assert kernels.moved(setting, "timm/resnet18").kernels == "torch"
    given = known(asked)
    draw, transfer = jobs(asked)
    assert Work(draw, "a", given).facts.setting.host == THERE and Work(transfer, "b", given).facts is given
    assert determinants(draw, {}, given)["spec"] == HOSTS.make(THERE).to_json()
    assert determinants(transfer, {"ticket": "a"}, given)["spec"] == HOSTS.make(HERE).to_json()


# ---- run


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home after a very short run at another depth: its place, facts, jobs, records; facts of the other depth."""
    place = tmp_path_factory.mktemp("elsewhere")
    with few_images(place / "cache"):
        given = short_facts(place / "home")
        asked = replace(given, setting=given.setting.model_copy(update={"host": HERE}))
        found = jobs(config(**{**ASKED, "control": "elastic_permuted"}, transform="none,elastic"))
        yield place / "home", asked, found, done(found, asked), given


def test_records_tell_both_hosts_the_induced_sparsity_and_what_draws_the_ticket_again(home):
    place, _, _, records, _ = home
    assert {one.status for one in records} == {"ok"}, [one.error for one in records]
    here, there, plain, control, moved = records
    assert [one.setting.host for one in records] == [HERE, THERE, HERE, HERE, HERE]
    assert [one.job.host_drawn for one in records] == [None, None, None, THERE, THERE]
    drawn = Ticket.load(Store(place).ticket(there.id))
    made = TRANSFORMS.make("elastic").onto(drawn, 0, HOSTS.make(HERE))
    copied = sum(int(m.sum()) for n, m in drawn.host.masks.items() if n.startswith("branches."))
    assert moved.ticket.parameters == control.ticket.parameters == drawn.kept + copied
    assert moved.ticket.hash == made.hash and moved.ticket.sparsity == made.sparsity != moved.job.sparsity == 0.9
    assert moved.config["draw"] == there.id and plain.config["draw"] == here.id
    for one, host in ((plain, HERE), (moved, THERE), (control, THERE), (there, THERE)):
        assert f" --host {host} " in one.redraw and "--drawer imp --sparsity 0.9 --seed 0" in one.redraw
    assert not [sentence for one in records for sentence in wrong(one)]


def test_a_stretched_ticket_costs_its_drawing_where_it_was_drawn_and_its_training_where_it_is_trained(home):
    """By hand: three passes of 4 batches of 8 images, one of the 10 batches for batch-norm statistics."""
    here, there, plain, control, moved = home[3]
    drawing = there.costs.training_macs
    assert moved.costs.drawing_macs == control.costs.drawing_macs == drawing < here.costs.training_macs
    assert moved.costs.training_macs == control.costs.training_macs == plain.costs.training_macs
    steps, calibration = 4 * 8, 10 * 8
    assert moved.costs.images == plain.costs.images == steps + calibration
    assert moved.costs.training_macs == (3 * steps + calibration) * moved.deployed.macs
    host = HOSTS.make(HERE).build()
    macs = dense_macs(layer_costs(host, (32, 32)))
    assert moved.ticket.macs == macs == control.ticket.macs and there.ticket.macs < macs


def test_the_draw_s_record_is_that_of_a_run_on_its_host(home):
    """Found by its name, the job is not done again."""
    *_, records, given = home
    (draw, *_) = jobs(config(**{**ASKED, "host": THERE}))
    (again,) = done([draw], given)
    assert again.to_json() == records[1].to_json()


def test_records_are_published_after_the_ticket_was_stretched_again(home, tmp_path):
    place, _, _, records, _ = home
    publisher = Publisher(Store(place), tmp_path / "to", None)
    said = [publisher.outcome(place / "records" / f"{one.id}.json", lambda found: True) for one in records]
    assert [outcome for outcome, _ in said] == ["published"] * 5, said


def test_a_record_s_job_is_found_again_with_all_its_draws(home):
    """What a recomputation runs: the draw from the other host, then the transfer."""
    _, given, found, records, _ = home

    class Known:
        def task(self, name, scale):
            return given.tasks[name], given.fingerprints[name]

    for job, told in zip(found, records, strict=True):
        work = replica.work_of(told, given.home, Known(), "cpu")
        assert replica.unlike(told, work) == []
        names = identify_all(chain(work.job), work.facts)
        assert names[work.job] == told.id and next(iter(names.values())) == (told.config["draw"] or told.id)
        assert (work.job.host_drawn, work.facts.setting) == (job.host_drawn, told.setting)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"host_drawn": None}, "'job.host_drawn' is None, and the transform elastic has supernet/tiny."),
        (
            {"host_drawn": "supernet/tiny3"},
            "'job.host_drawn' is supernet/tiny3, and the transform elastic has supernet/tiny.",
        ),
        ({"transform": None}, "'job.host_drawn' is supernet/tiny, and a job without a transform has None."),
    ],
)
def test_a_record_that_tells_another_host_than_its_transform_s_is_refused(home, changes, said):
    *_, moved = home[3]
    told = moved.model_copy(update={"job": moved.job.model_copy(update=changes)})
    assert said in list(wrong(told))


# ---- compared


def test_a_control_from_another_host_stands_below_the_ticket_from_that_host():
    """Whatever the control scores, and however the ticket was made; beside another host's it would say nothing."""
    row = partial(record, source="cls/figures", target="cls/figures", drawer="imp", recipe="rewind")
    control = {"kind": "control", "host_drawn": THERE}
    (board,) = boards([
        row(score=0.5), row(score=0.4, kind="control", control="random", transform="random"),
        row(score=0.7, transform="elastic", host_drawn=THERE),
        row(score=0.6, transform="elastic@order=interpolate", host_drawn=THERE),
        row(score=0.3, transform="elastic@host=supernet/tiny3", host_drawn="supernet/tiny3"),
        row(score=0.8, transform="elastic_permuted", control="elastic_permuted", **control),
    ])  # fmt: skip
    assert [(one.key.ticket, one.group, one.is_control) for one in board.rows] == [
        (f"elastic of imp on {THERE}", 1, False),
        (f"elastic_permuted of imp on {THERE}", 1, True),
        (f"elastic@order=interpolate of imp on {THERE}", 2, False),
        ("imp", 3, False),
        ("random of imp", 3, True),
        ("elastic@host=supernet/tiny3 of imp on supernet/tiny3", 4, False),
    ]
    gaps = {one.key.transform: one.gap for one in board.rows}
    assert gaps["elastic_permuted"] is None and gaps["random"].mean == pytest.approx(-0.1)
