"""Configurations and grids: every mistake told, every job once."""

from pathlib import Path

import pytest
import toy
from asked import config, kinds
from grids import Obedient, run_grid

from bench.records.record import NAME
from bench.request import scale as scales
from bench.request.plan import Job, jobs
from bench.run import jobs_that_fit
from tasks.data.places import Places
from tickets.drawers import DRAWERS
from tickets.errors import UserError
from tickets.recipes import RECIPES
from tickets.transforms import TRANSFORMS


def test_the_demo_is_one_draw_one_transfer_one_reference():
    found = jobs(config())
    assert [str(job) for job in found] == [
        "draw supertickets at 0.9 on cls/figures, seed 0",
        "dense reference on seg/figures, seed 0",
        "supertickets at 0.9 cls/figures -> seg/figures by finetune, seed 0",
    ]
    assert [job.needs for job in found] == [{}, {}, {"ticket": found[0]}]


def test_nine_pairs_are_three_draws_nine_transfers_three_references():
    found = jobs(config(source="cls,seg,pose", target="cls,seg,pose"))
    assert kinds(found) == {"draw": 3, "dense": 3, "transfer": 9}
    assert len(set(found)) == len(found)


def test_controls_are_added_once():
    found = jobs(config(source="cls,seg", target="seg", control="dense,random,native", drawer="supertickets,dense"))
    assert kinds(found) == {"draw": 4, "dense": 1, "transfer": 4, "random": 2}  # native is the grid's own seg -> seg
    alone = jobs(config(control="native", sparsity="0.5,0.9", seed="0,1"))
    assert kinds(alone) == {"draw": 8, "transfer": 4, "native": 4}
    assert kinds(jobs(config(control="none"))) == {"draw": 1, "transfer": 1}


def test_no_source_leaves_the_references():
    found = jobs(config(source="none", target="cls,seg", seed="0,1"))
    assert kinds(found) == {"dense": 4} and not any(job.needs for job in found)
    for changes in ({"target": "none"}, {"control": "random"}):
        with pytest.raises(UserError, match="--source none draws no ticket, which leaves the dense references"):
            config(source="none", **changes)


def test_dense_is_drawn_once_for_all_sparsities_and_none_asks_for_draws_only():
    assert kinds(jobs(config(drawer="dense", sparsity="0.5,0.9", control="none"))) == {"draw": 1, "transfer": 1}
    assert kinds(jobs(config(target="none", seed="0,1"))) == {"draw": 2}


def test_drawers_that_start_from_another_ticket_share_it():
    """omp prunes the dense training, which the drawer `dense` uses too; all stp/SCORER prune one searched network."""
    found = jobs(config(drawer="omp,dense,stp/snip,stp/grasp,stp/synflow", sparsity="0.5,0.9", control="none"))
    draws = [job for job in found if job.kind == "draw"]
    assert [job.drawer for job in draws].count("dense") == 1
    assert [job.drawer for job in draws].count("supertickets/search_only") == 1
    assert len(draws) == 2 + 2 + 3 * 2
    assert {job.needs["base"].drawer for job in draws if job.drawer.startswith("stp/")} == {"supertickets/search_only"}
    assert kinds(jobs(config(target="none", drawer="omp"))) == {"draw": 2}


def test_continue_stays_on_the_source_and_keeps_its_head():
    found = jobs(config(source="cls,seg", target="cls,seg", recipe="continue,finetune", control="random"))
    going_on = [job for job in found if job.recipe == "continue"]
    assert {(job.source, job.target, job.head, job.control) for job in going_on} == {
        ("cls/figures", "cls/figures", "keep", None),
        ("seg/figures", "seg/figures", "keep", None),
    }


def test_all_drawers_are_every_name_that_is_listed_and_draws_from_the_host():
    every = {name: DRAWERS.traits(name) for name in DRAWERS.names() if name not in toy.ASIDE}
    everywhere = {name for name, traits in every.items() if not traits.lowers_timesteps}
    assert set(config(drawer="all").sweeps[0].drawers) == everywhere and len(everywhere) >= 17
    searched = {name for name, traits in every.items() if traits.searches}
    assert set(config(drawer="all", host="spiking/tiny").sweeps[0].drawers) == set(every) - searched
    assert set(config(drawer="all", host="timm/resnet18").sweeps[0].drawers) == everywhere - searched


def test_all_recipes_are_those_that_can_train_what_is_drawn():
    every = set(RECIPES.names())
    assert set(config(drawer="imp", target="cls", recipe="all").sweeps[0].recipes) == every
    from_rewind = {name for name in every if RECIPES.traits(name).is_from_rewind}
    assert set(config(drawer="omp", target="cls", recipe="all").sweeps[0].recipes) == every - from_rewind
    assert "continue" not in config(drawer="imp", target="seg", recipe="all").sweeps[0].recipes


def test_all_transforms_are_the_ticket_itself_and_every_one_that_makes_tickets():
    """On hosts that they can make tickets of."""
    hosts = ("supernet/tiny2", "spiking/tiny")
    found = [config(drawer="imp", transform="all", host=host).sweeps[0].transforms for host in hosts]
    assert found[0][0] is found[1][0] is None
    every = {name for name in TRANSFORMS.names() if not TRANSFORMS.traits(name).is_control}
    assert {name for one in found for name in one[1:]} == every and set(found[0]) != set(found[1])


def test_what_has_no_rewind_point_is_trained_by_no_recipe_that_needs_one():
    with pytest.raises(
        UserError, match=r"^the recipe rewind needs a rewind point, and what the transform signs makes has"
    ):
        config(drawer="imp", recipe="finetune,rewind", transform="none,signs")
    assert "signs" in config(drawer="imp", transform="all").sweeps[0].transforms
    assert "signs" not in config(drawer="imp", recipe="rewind", transform="all").sweeps[0].transforms
    every = config(drawer="imp", target="cls", recipe="all").sweeps[0].recipes
    from_rewind = {name for name in every if RECIPES.traits(name).is_from_rewind}
    found = config(drawer="imp", target="cls", recipe="all", transform="signs").sweeps[0].recipes
    assert from_rewind and set(found) == set(every) - from_rewind


def test_options_are_part_of_a_drawer_s_name():
    first, second = config(drawer="imp@rounds=5@rate=0.3,imp@rate=0.3@rounds=5"), config(drawer="imp")
    assert first.sweeps[0].drawers == ("imp@rate=0.3@rounds=5",) and second.sweeps[0].drawers == ("imp",)
    prefix = jobs(first)[0].prefix
    assert NAME.fullmatch(prefix) and prefix != jobs(second)[0].prefix


def test_every_draw_comes_before_what_needs_it():
    found = jobs(config(source="cls,pose", seed="0,1,2", control="random,native"))
    seen: set[Job] = set()
    for job in found:
        assert seen.issuperset(job.needs.values())
        seen.add(job)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "sge"}, r"unknown task 'sge'\. Did you mean 'seg'\? Known: cls, seg, pose"),
        ({"target": "seg,,cls"}, "--target 'seg,,cls' has an empty entry"),
        ({"drawer": "supertikets"}, r"unknown drawer 'supertikets'\. Did you mean 'supertickets'\?"),
        ({"recipe": "fintune"}, r"unknown recipe 'fintune'\. Did you mean 'finetune'\?"),
        ({"scale": "tinny"}, r"unknown scale 'tinny'\. Did you mean 'tiny'\?"),
        ({"control": "randon"}, r"unknown control 'randon'\. Did you mean 'random'\?"),
        ({"control": "none,dense"}, "asks for none and for others"),
        ({"head": "old"}, r"unknown head 'old'\. Known: fresh, keep"),
        ({"sparsity": "1.0"}, r"sparsity '1\.0' is not allowed: .* from 0 to below 1"),
        ({"sparsity": "-0.1"}, r"sparsity '-0\.1' is not allowed"),
        ({"sparsity": "nan"}, "sparsity 'nan' is not allowed"),
        ({"sparsity": "0.5,abc"}, "sparsity 'abc' is not allowed"),
        ({"seed": "1.5"}, r"seed '1\.5' is not a whole number"),
        ({"seed": "-1"}, "seed '-1' is not a whole number"),
        ({"budget": 0.0}, r"--budget is 0\.0; give a factor above 0"),
        ({"budget": float("nan")}, "--budget is nan"),
        ({"threads": 0}, "--threads is 0; give a whole number of at least 1"),
        ({"workers": -1}, "--workers is -1"),
        ({"jobs": 0}, "--jobs is 0"),
        ({"drawer": "stp/snip@batches=0"}, r"drawer stp/snip: batches is 0; a scorer needs at least 1 training batch"),
        ({"drawer": "imp@rewind=1.5"}, r"drawer imp: rewind is 1\.5; the rewind point is .* below 1"),
        ({"drawer": "imp@rounds=few"}, r"drawer imp, option rounds: .*integer.*'few'"),
        ({"drawer": "omp@alocation=erk"}, r"unknown option of the drawer omp 'alocation'\. Did you mean 'allo"),
        ({"drawer": "omp@allocation=even"}, r"drawer omp, option allocation: .*'erk', 'lamp' or 'row'"),
        ({"drawer": "omp@erk"}, r"'omp@erk' is no drawer with options; write imp@rounds=5\."),
        ({"host": "timm/resnet81"}, r"unknown timm model 'resnet81'\. Did you mean"),
        ({"host": "supernt"}, r"unknown host 'supernt'\. Did you mean 'supernet/tiny'\? Known: .*timm/NAME"),
        (
            {"host": "timm/resnet18"},
            r"supertickets searches an architecture, and timm/resnet18 has no units to search; leave --host out, or",
        ),
        ({"host": "timm/vit_tiny_patch16_224", "drawer": "gmp"}, r"timm/vit_tiny_patch16_224 cannot take 64x64 images"),
        ({"recipe": "rewind"}, r"the recipe rewind needs a rewind point and the drawer supertickets keeps none"),
        ({"recipe": "continue"}, r"the recipe continue trains a ticket on, on its own source; name a source among"),
        ({"head": "keep"}, r"--head keep cannot carry a head from cls/figures to seg/figures"),
        ({"equal": "time"}, r"unknown equal 'time'\. Known: steps, macs, sparse"),
        ({"precision": "half"}, r"unknown precision 'half'\. Known: float32, bfloat16"),
        ({"device": "gpu"}, "device 'gpu' is not known; give cpu, cuda"),
        ({"places": Places(Path("no/such/folder"))}, "the data folder no/such/folder does not exist; give --data-root"),
        ({"home": Path(__file__) / "runs"}, r"the home .* cannot be written \(Not a directory: .*test_plan\.py\)"),
        ({"home": Path("/proc/runs")}, r"the home /proc/runs cannot be written \(.*: /proc\); give --home another"),
    ],
)
def test_each_mistake_is_one_sentence(changes, message):
    with pytest.raises(UserError, match=message):
        config(**changes)


def test_all_mistakes_are_told_at_once():
    with pytest.raises(UserError, match=r"unknown task 'sge'.*seed 'x'.*unknown scale 'hug'"):
        config(source="sge", seed="x", scale="hug")


@pytest.mark.parametrize("name", scales.names())
def test_scales_load_and_a_budget_multiplies_their_steps(name):
    whole, half = scales.load(name), scales.load(name, 0.5)
    for task in ("cls/figures", "seg/camvid", "pose/lsp"):
        assert half.plan(task).draw.steps == max(1, round(whole.plan(task).draw.steps / 2))
    assert scales.load(name, 1e-9).plan("cls/figures").transfer.steps == 1


def test_a_grid_runs_every_job_once_after_its_draw():
    workers = Obedient()
    grid = run_grid(workers, source="cls,seg", target="pose")
    assert [name for name, *_ in workers.calls] == ["execute"] * 5
    assert set(grid.records) == set(grid.jobs)


def test_what_needs_a_failed_draw_fails_and_the_rest_goes_on():
    workers = Obedient(broken="on cls")
    grid = run_grid(workers, source="cls,seg", target="pose")
    outcome = {str(job): record.status for job, record in grid.records.items()}
    assert [name for name, status in outcome.items() if status == "failed"] == [
        "draw supertickets at 0.9 on cls/figures, seed 0",
        "supertickets at 0.9 cls/figures -> pose/figures by finetune, seed 0",
    ]
    assert [call[2] for call in workers.calls if call[0] == "fail"] == [
        "the draw of its ticket failed; see the record id0."
    ]


def test_a_job_whose_process_dies_twice_leaves_a_failed_record():
    workers = Obedient(deadly="dense reference")
    grid = run_grid(workers)
    assert [r.status for j, r in grid.records.items() if j.control == "dense"] == ["failed"]
    (failed,) = [call for call in workers.calls if call[0] == "fail"]
    assert failed[1] == "dense reference on seg/figures, seed 0"
    why = "its worker process was ended by SIGKILL, as a system does that is short of memory."
    assert failed[2] == f"{why} at its first try {why}"


def test_a_full_disk_ends_the_grid_with_one_sentence():
    with pytest.raises(UserError, match=r"^cannot write it: No space left on device\. What is done is kept"):
        run_grid(Obedient(full="dense reference"))


def test_a_job_that_cannot_even_leave_a_failed_record_ends_the_grid():
    with pytest.raises(UserError, match=r"^id1 leaves no record, its worker process was ended by SIGKILL"):
        run_grid(Obedient(deadly="dense reference", worse=True))


def test_a_job_that_another_run_is_at_is_asked_for_again(monkeypatch):
    monkeypatch.setattr("bench.jobs.grid.AGAIN_S", 0.01)
    workers = Obedient(busy="dense reference")
    grid = run_grid(workers)
    assert [name for name, key in workers.calls if key.startswith("dense")] == ["execute"] * 2
    assert {record.status for record in grid.records.values()} == {"ok"}
    assert len(grid.records) == len(grid.jobs)
    assert [line for line in grid.display.lines if line.startswith("elsewhere")] == [
        "elsewhere dense reference on seg/figures, seed 0"
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("drawers.supertikets.rho=1", r"unknown drawer in --set 'supertikets'. Did you mean 'supertickets'\?"),
        ("seg.drawers.supertickets.roh=1", r"unknown option of the drawer supertickets 'roh'. Did you mean 'rho'\?"),
    ],
)
def test_what_is_set_for_no_drawer_or_no_option_of_it_is_refused(change, sentence):
    with pytest.raises(UserError, match=sentence):
        config(scale=f"tiny@{change}")
    assert config(scale="tiny@seg.drawers.gmp.interval=0.05").scale.plan("seg").knobs("gmp") == {"interval": 0.05}


@pytest.mark.parametrize(("cores", "threads", "at_once"), [(8, 1, 8), (8, 3, 2), (2, 2, 1), (2, 4, 1), (None, 1, 1)])
def test_jobs_at_once_fill_the_cores_and_no_more(monkeypatch, cores, threads, at_once):
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert jobs_that_fit(threads) == at_once
