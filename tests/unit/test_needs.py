"""Jobs that need tickets by role: a base, their own ticket, a teacher; planned once, drawn first, told of in names."""

import shutil

import pytest
from asked import config, facts, kinds
from foreign import register
from grids import Obedient, run_grid
from homes import done, few_images, short_facts
from samples import record

from bench import run
from bench.boards.result import Result
from bench.command import console
from bench.jobs import execute as jobs_
from bench.jobs.identity import determinants, identify, identify_all
from bench.jobs.store import Store
from bench.jobs.work import Work
from bench.records.record import read
from bench.request.plan import chain, describe, jobs
from tasks import TASKS
from tickets.drawers import DRAWERS
from tickets.errors import UserError
from tickets.recipes import RECIPES
from tickets.ticket import Ticket
from tickets.training import checkpoint
from tickets.transforms import TRANSFORMS

TAUGHT = {"drawer": "regrown", "recipe": "taught", "control": "none"}


@pytest.fixture(autouse=True)
def plugins(monkeypatch):
    """A drawer with a base, a recipe with a teacher, a transform that makes tickets, drawers that need themselves."""
    register(
        monkeypatch, DRAWERS, regrown="foreign:Regrown", selfish="foreign:Selfish", egg="foreign:Egg",
        chicken="foreign:Chicken", other__regrown="foreign:Regrown",
    )  # fmt: skip
    register(monkeypatch, RECIPES, taught="foreign:Taught")
    register(monkeypatch, TRANSFORMS, same="foreign:Same")


def known(asked, prints="a1b2c3d4e5f60718"):
    """The facts of a configuration on embedded tasks, as if their data were there."""
    tasks = {name: TASKS.load(name)() for sweep in asked.sweeps for name in sweep.tasks}
    return facts(asked, tasks=tasks, fingerprints={name: {"train": prints} for name in tasks})


# ---- planned


def test_a_base_a_ticket_and_a_teacher_are_drawn_once_and_before_the_job():
    found = jobs(config(**TAUGHT))
    assert [str(job) for job in found] == [
        "draw dense on cls/figures, seed 0",
        "draw regrown at 0.9 on cls/figures, seed 0",
        "draw dense on seg/figures, seed 0",
        "regrown at 0.9 cls/figures -> seg/figures by taught, seed 0",
    ]
    base, ticket, teacher, transfer = found
    assert ticket.needs == {"base": base} and transfer.needs == {"ticket": ticket, "teacher": teacher}
    assert chain(transfer) == found


def test_a_draw_that_is_the_base_of_one_job_and_the_teacher_of_another_is_drawn_once():
    found = jobs(config(source="cls,seg", target="seg,cls", seed="0,1", sparsity="0.5,0.9", **TAUGHT))
    assert kinds(found) == {"draw": 2 * (2 + 4), "transfer": 2 * 8} and len(set(found)) == len(found)
    seen = set()
    for job in found:
        assert seen.issuperset(job.needs.values())
        seen.add(job)
    assert all(need.seed == job.seed for job in found for need in job.needs.values())


def test_a_control_of_a_taught_transfer_is_taught_too():
    found = jobs(config(**{**TAUGHT, "control": "random"}))
    assert kinds(found) == {"draw": 3, "transfer": 1, "random": 1}
    assert found[-1].needs == found[-2].needs and len(found[-1].needs) == 2


# ---- named


def test_a_job_s_name_follows_from_all_tickets_that_it_needs():
    asked = config(**TAUGHT)
    *_, transfer = jobs(asked)
    own = {"ticket": "draw-a", "teacher": "draw-b"}
    told = determinants(transfer, own, known(asked))
    assert told["draw"] == "draw-a" and told["needs"] == {"teacher": "draw-b"}
    names = [identify(transfer, {**own, role: "draw-c"}, known(asked)) for role in own]
    assert len({identify(transfer, own, known(asked)), *names}) == 3


def test_a_plain_job_names_no_needs_and_a_base_is_its_draw():
    asked = config(drawer="regrown", control="none")
    base, draw, transfer = jobs(asked)
    assert "needs" not in determinants(transfer, {"ticket": "a"}, known(asked))
    told = determinants(draw, {"base": "b"}, known(asked))
    assert told["draw"] == "b" and "needs" not in told
    ids = identify_all([base, draw, transfer], known(asked))
    assert len(set(ids.values())) == 3 and identify(draw, {"base": ids[base]}, known(asked)) == ids[draw]


# ---- run


def test_a_grid_starts_a_job_only_when_all_that_it_needs_is_there():
    class Watched(Obedient):
        def start(self, key, function, work, *rest):
            assert sorted(work.draws) == sorted(key.needs)
            assert {ended for _, ended in self.ended}.issuperset(key.needs.values())
            super().start(key, function, work, *rest)

        def messages(self):
            told = list(super().messages())
            self.ended += [(message.kind, message.key) for message in told]
            return iter(told)

    workers = Watched()
    workers.ended = []
    grid = run_grid(workers, source="cls,pose", target="seg", **TAUGHT)
    assert [name for name, *_ in workers.calls] == ["execute"] * 7 and set(grid.records) == set(grid.jobs)


@pytest.mark.parametrize(
    ("broken", "role", "failed"),
    [("draw dense on seg", "teacher", 1), ("draw regrown", "ticket", 1), ("draw dense on cls", "base", 2)],
)
def test_a_needed_draw_that_failed_fails_the_job_with_one_sentence(broken, role, failed):
    workers = Obedient(broken=broken)
    grid = run_grid(workers, **TAUGHT)
    (draw,) = [id for job, id in grid.ids.items() if str(job).startswith(broken)]
    why = [call[2] for call in workers.calls if call[0] == "fail"]
    assert why[0] == f"the draw of its {role} failed; see the record {draw}." and len(why) == failed
    assert [record.status for record in grid.records.values()].count("failed") == failed + 1


@pytest.mark.parametrize(
    ("drawer", "way"),
    [("selfish", "selfish -> selfish"), ("egg", "egg -> chicken -> egg"), ("chicken@joint=true", "")],
)
def test_a_drawer_that_needs_itself_is_refused_in_one_sentence(drawer, way, capsys, tmp_path):
    with pytest.raises(SystemExit) as left:
        console.main(run.app, "python -m bench.run", ["--drawer", drawer, "--home", str(tmp_path / "home")])
    out, err = capsys.readouterr()
    assert left.value.code == 2 and not out and err.count("\n") == 1 and f"needs itself ({way}" in err
    assert err.endswith("; name another one in its traits.\n") and not (tmp_path / "home").exists()


# ---- transforms


def test_a_transform_is_asked_for_by_its_own_flag():
    with pytest.raises(UserError, match=r"^the transform same makes tickets and no controls; give it by --transform"):
        config(control="dense,same")
    with pytest.raises(UserError, match=r"^the transform random makes controls and no tickets; give it by --control"):
        config(transform="random")
    with pytest.raises(UserError, match=r"^unknown transform 'sane'\. Did you mean 'same'\?"):
        config(transform="sane")
    with pytest.raises(UserError, match=r"^unknown control 'ranom'\. Did you mean 'random'\?"):
        config(control="ranom")


def test_what_a_transform_makes_is_a_ticket_beside_the_plain_one():
    found = jobs(config(transform="none,same", control="dense,random,native"))
    assert kinds(found) == {"draw": 2, "dense": 1, "transfer": 2, "random": 1, "native": 2}
    plain, made = [job for job in found if job.kind == "transfer"]
    assert plain.transform is None and made.transform == "same" and made.control is None and not made.is_control
    assert plain.needs == made.needs and plain.prefix != made.prefix
    assert [job.transform for job in found if job.control == "native"] == [None, "same"]
    (shuffled,) = [job for job in found if job.control == "random"]
    assert shuffled.is_control and shuffled.transform == "random"
    told = record(**{key: describe(made)[key] for key in ("transform", "control", "drawer")})
    assert told.kind == "transfer" and Result.of(told).key.is_contender


def test_only_what_a_transform_makes_can_be_asked_for():
    assert [job.transform for job in jobs(config(transform="same", control="none"))] == [None, "same"]


# ---- knobs


def test_a_knob_of_a_drawer_reaches_it_and_its_name_and_nobody_else():
    plain, changed = config(**TAUGHT), config(**TAUGHT, scale="tiny@drawers.regrown.share=0.25")
    assert [one.scale.plan("cls").knobs("regrown") for one in (plain, changed)] == [{}, {"share": 0.25}]
    base, draw, *_, transfer = jobs(plain)
    told = determinants(draw, {"base": "b"}, known(changed))
    assert told["knobs"] == {"share": 0.25} and "knobs" not in determinants(draw, {"base": "b"}, known(plain))
    assert identify(draw, {"base": "b"}, known(plain)) != identify(draw, {"base": "b"}, known(changed))
    for job, draws in ((base, {}), (transfer, {"ticket": "a", "teacher": "b"})):
        assert identify(job, draws, known(plain)) == identify(job, draws, known(changed))


def test_a_family_s_knob_is_that_of_all_its_members_and_a_name_beats_it():
    plan = config(scale="tiny@drawers.other.share=0.1@drawers.other/regrown.share=0.2").scale.plan("cls")
    assert plan.knobs("other/regrown") == {"share": 0.2} and plan.knobs("regrown") == {}
    assert DRAWERS.make("other/regrown@share=0.3", plan.knobs("other/regrown")).share == 0.3


# ---- executed


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home in which a ticket was drawn from a base and trained with a teacher, and its records."""
    place = tmp_path_factory.mktemp("needs")
    with few_images(place / "cache") as patch:
        register(patch, DRAWERS, regrown="foreign:Regrown")
        register(patch, RECIPES, taught="foreign:Taught")
        found = jobs(config(**TAUGHT))
        given = short_facts(place / "home")
        yield place / "home", given, found, done(found, given)


def test_a_taught_transfer_is_given_both_tickets_and_its_record_names_them(home):
    _, _, _, (base, draw, teacher, transfer) = home
    assert [one.status for one in (base, draw, teacher, transfer)] == ["ok"] * 4, transfer.error
    assert draw.config["draw"] == base.id and draw.needs == {} and draw.config["knobs"] == {}
    assert transfer.config["draw"] == draw.id and transfer.needs == {"teacher": teacher.id}
    spent = [one.costs.training_macs for one in (base, draw, teacher)]
    assert draw.costs.drawing_macs == spent[0] and transfer.costs.drawing_macs == sum(spent)
    assert transfer.ticket.hash == draw.ticket.hash != teacher.ticket.hash


@pytest.mark.parametrize("role", ["ticket", "teacher"])
def test_another_valid_ticket_under_a_tickets_name_fails_the_job_before_it_trains(home, role, tmp_path, monkeypatch):
    place, given, found, records = home
    shutil.copytree(place, tmp_path / "home")
    store, (base, draw, teacher, transfer) = Store(tmp_path / "home"), records
    wrong = {"ticket": draw, "teacher": teacher}[role]
    for suffix in (".safetensors", ".json"):
        names = [store.ticket(one.id).with_name(one.id + suffix) for one in (base, wrong)]
        shutil.copy(*names)
    assert Ticket.load(store.ticket(wrong.id)).hash == base.ticket.hash  # a sound file
    monkeypatch.setattr("bench.jobs.computing.transfers", lambda *args: pytest.fail("trained"))
    (store.records / f"{transfer.id}.json").unlink()
    own = type(given)(**{**vars(given), "home": tmp_path / "home"})
    work = Work(found[-1], transfer.id, own, {"ticket": draw.id, "teacher": teacher.id}, unless_finished=False)
    failed = jobs_.execute(work)
    first = failed.error.splitlines()[0]
    assert failed.status == "failed" and failed.scores is None and failed.costs is None
    assert read(store.records / f"{transfer.id}.json").to_json() == failed.to_json()
    assert first.startswith("UserError: ") and f"{wrong.id}.safetensors has the hash {base.ticket.hash[:16]}" in first
    assert "it is another ticket's; draw it again with --force." in first


def test_a_resumed_job_s_time_counts_all_its_processes(home, tmp_path, monkeypatch):
    """Killed after its third step; an hour is added to what its checkpoint tells. The ticket is the undisturbed one."""
    _, given, found, (base, *_) = home
    own = type(given)(**{**vars(given), "home": tmp_path / "home"})
    work, path = Work(found[0], base.id, own), Store(own.home).checkpoint(base.id)
    save, saved = checkpoint.Checkpoint.save, []

    class Killed(BaseException):
        pass

    def save_and_die(self, state):
        save(self, state)
        saved.append(state)
        if len(saved) == 3:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "EVERY_S", -1.0)
        patch.setattr(checkpoint.Checkpoint, "save", save_and_die)
        with pytest.raises(Killed):
            jobs_.execute(work)
    state = checkpoint.load_checkpoint(path)
    checkpoint.save_checkpoint(path, {**state, "wall_s": state["wall_s"] + 3600})
    again = jobs_.execute(work)
    assert again.status == "ok" and again.ticket == base.ticket and again.scores == base.scores
    assert 3600 < 3600 + state["wall_s"] < again.costs.wall_s < 4200 and not path.exists()
