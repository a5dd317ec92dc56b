"""Scales as data: what paper.yaml says against the released configurations, and how files extend each other."""

import pytest
import yaml
from asked import config
from foreign import register

from bench.request import scale as scales
from tasks import TASKS
from tickets.drawers import DRAWERS
from tickets.errors import UserError

IMAGES = {"cls/imagenet": 1_281_167, "seg/cityscapes": 2_975, "seg/ade20k": 20_210, "pose/coco": 149_813}
EPOCHS = {"cls/imagenet": 350, "seg/cityscapes": 430, "seg/ade20k": 200, "pose/coco": 210}


@pytest.mark.parametrize("task", IMAGES)
def test_the_papers_steps_are_epochs_of_the_published_sets(task):
    plan = scales.load("paper").plan(task)
    assert plan.draw.steps * plan.batch_size / IMAGES[task] == pytest.approx(EPOCHS[task], rel=1e-4)
    assert plan.options["pipeline"] == "full"


def test_what_differs_between_the_papers_tasks():
    paper = scales.load("paper")
    imagenet, city, ade, coco = (paper.plan(task) for task in IMAGES)
    assert [p.batch_size for p in (imagenet, city, ade, coco)] == [512, 32, 64, 384]
    knobs = [p.knobs("supertickets") for p in (imagenet, city, ade, coco)]
    assert [own["rho"] for own in knobs] == [1.8e-4, 1.4e-4, 1.4e-4, 1e-6]
    assert [own["interval"] for own in knobs] == [0.0714, 0.0581, 0.075, 0.0714]
    assert [p.knobs("gmp") for p in (imagenet, city, ade, coco)] == [{"interval": own["interval"]} for own in knobs]
    assert (imagenet.optimizer, city.optimizer, coco.optimizer) == ("rmsprop/as_released", "adam", "adam")
    assert (imagenet.eps, city.eps, coco.eps) == (1e-3, 1e-3, 1e-8)
    assert (ade.options["head_width"], city.options.get("head_width")) == (180, None)
    assert imagenet.options["smoothing"] == 0.1 and coco.options["flip_test"] is True


def test_the_papers_schedules_shrinks_averages_and_calibration_are_the_releases():
    """Shrinks every 10 of 350, 10 of 430, 25 of 200 and 10 of 210 epochs; 20,480 images of ImageNet, else 1,280."""
    plans = {task: scales.load("paper").plan(task) for task in IMAGES}
    shrinks = [plan.knobs("supertickets/as_released")["shrink_interval"] * EPOCHS[task] for task, plan in plans.items()]
    assert shrinks == pytest.approx([10, 10, 25, 10], rel=1e-3)
    assert {plan.knobs("supertickets/as_released")["least_macs"] for plan in plans.values()} == {1_000_000}
    assert "least_macs" not in plans["cls/imagenet"].knobs("supertickets")
    assert [plan.beta_range for plan in plans.values()] == [(), (0.95, 0.85), (0.95, 0.85), ()]
    assert [plan.calibration_batches for plan in plans.values()] == [40, 40, 20, 4]  # of 512, 32, 64 and 384
    assert {plan.average_from for plan in plans.values()} == {1}
    tiny = scales.load("tiny").plan("seg/camvid")
    assert (tiny.beta_range, tiny.calibration_batches, tiny.average_from) == ((), 10, 0)


def test_pose_alone_has_a_preset_of_its_own():
    paper = scales.load("paper")
    runs = (["pose/coco"], ["pose/coco", "pose/lsp"], ["cls/imagenet"], ["cls/imagenet", "pose/coco"], [])
    assert [paper.preset_of(run) for run in runs] == ["paper_pose", "paper_pose", "paper", "paper", "paper"]
    for name in ("paper@preset=small", "rehearsal", "tiny"):
        assert scales.load(name).preset_of(["pose/coco"]) == scales.load(name).preset
    for source, target, host in (("pose/coco", "pose/lsp", "paper_pose"), ("seg/camvid", "pose/coco", "paper")):
        assert config(scale="paper", source=source, target=target).setting.host == f"supernet/{host}"


def test_a_rehearsal_is_the_paper_in_small():
    paper, small = scales.load("paper"), scales.load("rehearsal")
    assert small.preset == "tiny" and small.heads == paper.heads
    for task in IMAGES:
        big, little = paper.plan(task), small.plan(task)
        same = ("optimizer", "eps", "schedule", "decay", "falls", "warmup", "weight_decay", "options", "drawers")
        assert all(getattr(big, name) == getattr(little, name) for name in same)
        assert little.draw.steps < 100 and little.size < big.size


def test_a_file_extends_another_entry_by_entry(tmp_path, monkeypatch):
    base = {
        "preset": "tiny", "heads": "light", "size": [64, 64], "batch_size": 8, "options": {"pipeline": "resized"},
        "draw": {"steps": 10, "learning_rate": 0.1}, "transfer": {"steps": 5, "learning_rate": 0.1},
        "kinds": {"cls": {"batch_size": 4, "options": {"smoothing": 0.1}}},
    }  # fmt: skip
    over = {"extends": "base", "draw": {"steps": 20}, "kinds": {"cls": {"size": [32, 32]}, "seg": {"batch_size": 2}}}
    for name, data in (("base", base), ("over", over)):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(data))
    monkeypatch.setattr(scales, "FOLDER", tmp_path)
    found = scales.load("over", budget=0.5)
    cls, seg = found.plan("cls/x"), found.plan("seg/x")
    assert (cls.size, cls.batch_size, cls.draw.steps, cls.draw.learning_rate) == ((32, 32), 4, 10, 0.1)
    assert cls.options == {"pipeline": "resized", "smoothing": 0.1}
    assert (seg.size, seg.batch_size, seg.transfer.steps) == ((64, 64), 2, 2)


def test_an_option_that_an_adapter_lacks_is_refused_with_those_it_has():
    plan = scales.load("tiny").plan("cls").model_copy(update={"options": {"smoothness": 1}})
    with pytest.raises(UserError, match=r"sets smoothness for cls/figures, whose options are pipeline, .*smoothing"):
        plan.task("cls/figures", None)


def test_the_full_pipeline_needs_files():
    with pytest.raises(UserError, match="'figures' has no full pipeline; use a scale whose pipeline is resized"):
        TASKS.load("cls")(pipeline="full")
    with pytest.raises(UserError, match="unknown pipeline 'whole'"):
        TASKS.load("cls")(pipeline="whole")


def test_a_scales_knobs_reach_the_drawers_that_have_them_unless_the_name_says_otherwise():
    plan = scales.load("tiny@drawers.supertickets.interval=0.2@drawers.supertickets/one_shot.rho=0.5").plan(
        "cls/figures"
    )
    assert plan.knobs("supertickets") == plan.knobs("supertickets@rho=3") == {"rho": 0.0005, "interval": 0.2}
    assert plan.knobs("supertickets/one_shot") == {"rho": 0.5, "interval": 0.2} and plan.knobs("omp") == {}
    assert DRAWERS.make("supertickets", {"interval": 0.2}).interval == 0.2
    assert DRAWERS.make("supertickets@interval=0.1", {"interval": 0.2}).interval == 0.1
    assert DRAWERS.make("supertickets").interval == 1 / 14
    assert DRAWERS.make("omp", {"interval": 0.2}) == DRAWERS.make("omp")


def test_options_behind_the_name_change_all_plans_or_those_of_a_kind_or_task():
    scale = scales.load("tiny@seg.draw.steps=100@batch_size=16@seg/camvid.size=48x64@pose.options.flip_test=true", 0.5)
    assert scale.name == "tiny@batch_size=16@pose.options.flip_test=true@seg.draw.steps=100@seg/camvid.size=48x64"
    assert {scale.plan(task).batch_size for task in ("cls", "seg/camvid", "pose/lsp")} == {16}
    assert [scale.plan(task).draw.steps for task in ("seg/figures", "seg/camvid", "cls/figures")] == [50, 50, 200]
    assert [scale.plan(task).size for task in ("seg/figures", "seg/camvid")] == [(64, 64), (48, 64)]
    assert scale.plan("pose/lsp").options == {"flip_test": True} and scale.plan("seg").options == {}
    assert scales.load(scale.name, 0.5) == scale
    assert scales.load("paper@preset=tiny").preset == "tiny"


def test_another_package_s_kind_is_set_like_the_three(monkeypatch):
    """Planning imports none of it: there is no such module."""
    with pytest.raises(UserError, match=r"unknown option of a scale 'edges\.batch_size'"):
        scales.load("tiny@edges.batch_size=8")
    with pytest.raises(UserError, match="unknown task 'edges/figures'"):
        scales.load("tiny@edges/figures.draw.steps=50")
    register(monkeypatch, TASKS, edges__figures="nowhere:Edges", edges__photos="nowhere:Photos")
    scale = scales.load("tiny@edges.batch_size=8@edges/figures.draw.steps=50", 0.5)
    own, other, seg = (scale.plan(name) for name in ("edges/figures", "edges/photos", "seg/figures"))
    assert (own.batch_size, other.batch_size, seg.batch_size) == (8, 8, 32)
    assert (own.draw.steps, other.draw.steps, seg.draw.steps) == (25, 200, 200)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tny", r"unknown scale 'tny'\. Did you mean 'tiny'\?"),
        ("tiny@batchsize=3", r"unknown option of a scale 'batchsize'\. Did you mean 'batch_size'\?"),
        ("tiny@draw.step=3", r"unknown option of a scale 'draw\.step'\. Did you mean 'draw\.steps'\?"),
        ("tiny@draw.steps.x=3", r"unknown option of a scale 'draw\.steps\.x'"),
        ("tiny@batch_size=0", r"scale tiny@batch_size=0: batch_size is 0; input should be greater than or equal to 1"),
        ("tiny@draw.steps=abc", r"draw\.steps is 'abc'; input should be a valid integer"),
        ("tiny@preset=huge", r"preset is 'huge'; input should be 'tiny', 'small' or 'paper'"),
        ("tiny@batch_size=[", r"'batch_size=\[' of a scale has no value that YAML can read"),
        ("tiny@batch_size", r"'batch_size' is no option of a scale; write scale@key=value"),
        ("tiny@seg/camvd.batch_size=3", r"unknown task 'seg/camvd'\. Did you mean 'seg/camvid'\?"),
        ("tiny@drawers.supertickets=3", r"unknown option of a scale 'drawers\.supertickets'.*drawers\.NAME\.OPTION"),
        ("tiny@draw.rho=0.1", r"unknown option of a scale 'draw\.rho'"),
        ("tiny@size=12", r"size is 12; input should be a valid tuple"),
    ],
)
def test_mistakes_in_options(name, said):
    with pytest.raises(UserError, match=said):
        scales.load(name)
