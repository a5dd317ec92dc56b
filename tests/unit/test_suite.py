"""Suites and sweeps: what the shipped files ask for, every mistake of a file told at once."""

from collections import Counter

import pytest
from asked import config, kinds

from bench.request import suite as suites
from bench.request.plan import jobs
from tickets.errors import UserError


def planned(name, **narrow):
    """The jobs of a suite."""
    found = suites.load(name)
    return jobs(config(sweeps=suites.narrowed(found, narrow), **found.whole))


def test_figures_v1_is_nine_pairs_of_four_methods_with_their_controls_over_five_seeds():
    found = planned("figures-v1")
    draws = Counter(job.drawer for job in found if job.kind == "draw")
    assert draws == {"supertickets": 15, "stp/magnitude": 15, "imp": 15, "dense": 15, "supertickets/search_only": 15}
    transfers = [job for job in found if job.kind == "transfer"]
    assert Counter((job.drawer, job.recipe) for job in transfers) == {
        ("supertickets", "finetune"): 45, ("stp/magnitude", "finetune"): 45, ("imp", "finetune"): 45,
        ("dense", "finetune"): 45, ("supertickets", "scratch"): 30,
    }  # fmt: skip
    controls = [job for job in found if job.control]
    assert kinds(controls) == {"dense": 15, "random": 30}
    assert all(job.source != job.target for job in found if job.transform or job.recipe == "scratch")


def test_the_sweep_and_the_real_data_go_round_their_cycles():
    pairs = {(job.source, job.target) for job in planned("figures-sweep") if job.kind == "transfer"}
    assert pairs == {("cls/figures", "seg/figures"), ("seg/figures", "pose/figures"), ("pose/figures", "cls/figures")}
    real = planned("real-v1")
    assert {job.sparsity for job in real if job.drawer != "dense" and job.drawer[-4:] != "only"} == {0.8}
    assert len([job for job in real if job.control == "random"]) == 2 * 9


def test_smoke_is_two_draws_and_two_transfers():
    assert kinds(planned("smoke")) == {"draw": 2, "transfer": 2}


def test_kd_v1_has_every_start_with_a_teacher_and_without_and_random_masks_for_the_contrast():
    found = planned("kd-v1")
    assert {(job.source or job.target, job.target or job.source) for job in found} == {("cls/figures", "cls/figures")}
    assert Counter(job.drawer for job in found if job.kind == "draw") == {"omp": 15, "imp": 15, "dense": 5}
    told = Counter((job.drawer, job.recipe) for job in found if job.kind == "transfer")
    starts = ("scratch", "kd", "kd/as_released", "finetune", "kd_finetune")
    both = {(by, recipe): 15 for by in ("omp", "imp") for recipe in starts}
    assert told == both | {("imp", "rewind"): 15, ("imp", "kd_rewind"): 15, ("dense", "scratch"): 5, ("dense", "kd"): 5}
    controls = Counter((job.control, job.recipe) for job in found if job.control)
    assert controls == {("random", recipe): 30 for recipe in starts[:3]} | {("dense", "scratch"): 5}


def test_spiking_v1_has_the_early_tickets_beside_those_of_all_time_steps_and_of_the_twin():
    found = planned("spiking-v1")
    drawn = Counter((job.drawer, job.host) for job in found if job.kind == "draw")
    names = ("imp", "early_time", "early_time@least=1", "early_time/as_released", "early_bird", "early_time/early_bird")
    arms = {(name, None): 15 for name in (*names, "omp@scorer=snip")}
    assert drawn == arms | {("imp", "spiking/tiny_relu"): 15, ("dense", None): 5}
    told = Counter((job.drawer, job.transform, job.recipe) for job in found if job.kind == "transfer")
    plain = {(name, None, "rewind"): 15 for name in names}
    assert told == plain | {("imp", "respike", "rewind"): 15, ("omp@scorer=snip", None, "finetune"): 15}
    assert kinds([job for job in found if job.control]) == {"dense": 5, "random": 90}


def test_part_of_a_suite_by_its_seeds():
    part = planned("figures-v1", seed="0,1")
    assert {job.seed for job in part} == {0, 1} and len(part) * 5 == len(planned("figures-v1")) * 2
    with pytest.raises(UserError, match="--seed 7: the suite has none of these seeds"):
        planned("smoke", seed="7")
    with pytest.raises(UserError, match="--source and --suite both say what to compute"):
        planned("smoke", source="cls")


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.yaml"
    text = "scale: tiny\nset: {batch_size: 8, seg.size: [32, 48]}\nsweeps:\n  - {target: [seg, pose], seed: 3}\n"
    path.write_text(text)
    found = suites.load(str(path))
    assert found.sweeps == ({"target": "seg,pose", "seed": "3"},)
    assert found.changes == ("batch_size=8", "seg.size=32x48") and found.whole == {"scale": "tiny"}


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("sweeps:\n\t- {source: cls}\n", ["is no YAML", "tabs do not indent"]),
        ("sweps: []\n", ["unknown key of a suite 'sweps'. Did you mean 'sweeps'?", "sweeps is empty"]),
        ("scale: [tiny]\nsweeps:\n  - {sauce: cls}\n  - 3\n", [
            "scale is ['tiny']; give one value", "sweep 1: unknown key 'sauce'. Did you mean 'source'?",
            "sweep 2 is a int; give keys",
        ]),
        ("sweeps: []\n", ["sweeps is empty; give a list with at least one sweep"]),
        ("sweeps:\n  - {seed: []}\n", ["sweep 1: seed is empty"]),
        ("", ["holds nothing; a suite has keys such as scale and sweeps"]),
        ("set: 3\nsweeps: [{source: cls}]\n", ["set is 3; give keys of the scale"]),
        ("budget: x\nscale: tinny\nsweeps:\n  - {targt: seg, drawer: omq}\n  - {sparsity: 1.5, recipe: fintune}\n", [
            "budget is 'x'; give one value", "unknown scale 'tinny'", "sweep 1: unknown key 'targt'",
            "unknown drawer 'omq'", "sparsity '1.5' is not allowed", "unknown recipe 'fintune'",
        ]),
    ],
)  # fmt: skip
def test_mistakes_of_a_file_are_told_at_once(tmp_path, text, messages):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        found = suites.load(str(path))
        config(found.mistakes, suites.narrowed(found, {}), **found.whole)
    assert all(message in str(caught.value) for message in messages) and "\n" not in str(caught.value)


def test_unknown_suites_and_files():
    with pytest.raises(UserError, match=r"unknown suite 'smke'\. Did you mean 'smoke'\?"):
        suites.load("smke")
    with pytest.raises(UserError, match=r"cannot read the suite none\.yaml: No such file"):
        suites.load("none.yaml")


def test_pairs():
    def found(**sweep):
        transfers = (job for job in jobs(config(control="none", **sweep)) if job.target)
        return {(job.source[:3], job.target[:3]) for job in transfers}

    both = {"source": "cls,seg", "target": "seg,cls"}
    assert found(**both) == {("cls", "seg"), ("cls", "cls"), ("seg", "seg"), ("seg", "cls")}
    assert found(**both, pairs="cross") == found(**both, pairs="each") == {("cls", "seg"), ("seg", "cls")}
    with pytest.raises(UserError, match="pairs: each needs as many targets as sources"):
        found(source="cls,seg", target="pose", pairs="each")
    with pytest.raises(UserError, match="the sweep is empty: no source goes with a target"):
        found(source="cls", target="cls", pairs="cross")


def test_a_method_of_ones_own_in_a_suite():
    """The suite's sweeps with the method in the place of all of its own; what is said twice then is said once."""
    found, plain = planned("figures-v1", drawer="omp"), planned("figures-v1")
    assert {job.drawer for job in found if job.kind == "draw" or job.source} == {"omp", "dense"}
    assert Counter((job.recipe, job.control, job.seed) for job in found if job.target) == Counter(
        (job.recipe, job.control, job.seed) for job in plain if job.target and job.drawer in ("supertickets", "dense")
        and (job.drawer == "supertickets" or job.source is None)
    )  # fmt: skip
    text = {"source": "cls", "target": "seg"}
    twice = suites.Suite(({**text, "drawer": "imp"}, {**text, "drawer": "gmp"}, {"source": "none", "target": "seg"}))
    assert suites.narrowed(twice, {"drawer": "omp"}) == [{**text, "drawer": "omp"}, {"source": "none", "target": "seg"}]
    with pytest.raises(UserError, match="--drawer omp: the suite draws nothing"):
        suites.narrowed(suites.Suite(({"source": "none"},)), {"drawer": "omp"})


def test_a_method_that_is_added_keeps_the_rules_of_the_suite():
    suite = suites.Suite((), {"scale": "tiny", "budget": 0.5, "precision": "float32"})
    suites.keep_rules("mine", suite, {"budget": 0.5, "kernels": "torch", "device": "cuda", "equal": "steps"}, [])
    broken = {"budget": 0.1, "equal": "macs", "host": "timm/resnet18", "precision": "bfloat16"}
    for name, value in broken.items():
        with pytest.raises(UserError, match=f"--{name} {value} would break the rules of the suite mine"):
            suites.keep_rules("mine", suite, {name: value}, [])
    with pytest.raises(UserError, match="--budget 1, --set batch_size=8 would break the rules"):
        suites.keep_rules("mine", suite, {"budget": 1}, ["batch_size=8"])
