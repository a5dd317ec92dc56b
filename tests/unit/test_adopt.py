"""Networks that were pruned elsewhere become tickets: found, measured, drawn from, and listed without a rank."""

import importlib
import pickle
import re
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
import typer
from homes import SHORT, done, few_images
from torch import nn
from torch.nn.utils import parametrize, prune
from toy import ToySource, drawn

from bench import adopt as command
from bench import run, show
from bench.boards.formats.terminal import plain as table
from bench.boards.leaderboard import boards
from bench.command import console
from bench.jobs.computing import stated_macs
from bench.jobs.work import Facts
from bench.records.setting import Setting
from bench.request import scale as scales
from bench.request.plan import Job
from tickets.adoption import adopt, parted, shortest
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.errors import UserError
from tickets.hosts import HOSTS
from tickets.patterns import PATTERNS
from tickets.pruning.lasting import lasting
from tickets.pruning.masks import prunable
from tickets.ticket import Ticket
from tickets.training.settings import Settings

MODEL = "test_resnet"
HOST = f"timm/{MODEL}"
PAGE = (Path(__file__).parents[2] / "docs" / "adopt.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """A user's cache of the test's own."""
    monkeypatch.setenv("TICKETBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def network():
    """A small timm network of 10 classes, with its convolutions by name."""
    torch.manual_seed(0)
    made = timm.create_model(MODEL, num_classes=10)
    return made, {name: m for name, m in made.named_modules() if isinstance(m, nn.Conv2d)}


def by_prune(network, amount=0.8):
    """The network under masks of `torch.nn.utils.prune`."""
    made, parts = network
    prune.global_unstructured([(m, "weight") for m in parts.values()], prune.L1Unstructured, amount=amount)
    return made


def saved(module, path):
    """Its state in a file, as its suffix says."""
    state = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    torch.save(state, path) if path.suffix == ".pth" else safetensors.torch.save_file(state, path)
    return path


def told(capsys, app, *args):
    """Exit code, output and errors of a command line."""
    with pytest.raises(SystemExit) as left:
        console.main(app, "bench", [str(arg) for arg in args])
    out, err = capsys.readouterr()
    return left.value.code, out, err


def written(out):
    """The path that the command says it wrote."""
    return next(line for line in out.splitlines() if line.startswith("written: ")).removeprefix("written: ")


# ---- what is found in a file


def test_masks_are_the_same_however_they_are_written(network, tmp_path):
    """Prune's entries, parametrisations, plain mask entries, and zeros alone; as .pth and as safetensors."""
    made = by_prune(network)
    files = [saved(made, tmp_path / "prune.pth")]
    masks = {f"{name}.weight": m.weight_mask.bool() for name, m in network[1].items()}
    for module in network[1].values():
        prune.remove(module, "weight")
    files.append(saved(made, tmp_path / "zeros.safetensors"))
    entries = {f"{name}_mask": mask for name, mask in masks.items()}
    torch.save({"state_dict": {**made.state_dict(), **entries}, "epoch": 3}, tmp_path / "entries.pth")
    files += [tmp_path / "entries.pth", saved(lasting(made, masks), tmp_path / "parametrised.safetensors")]
    torch.save({f"module.{name}": tensor for name, tensor in made.state_dict().items()}, tmp_path / "wrapped.pth")
    found = [adopt(file, HOSTS.make(HOST), HOST, (64, 64)) for file in [*files, tmp_path / "wrapped.pth"]]
    assert [one.entries for one in found] == [len(masks), 0, len(masks), len(masks), len(masks)]
    first = found[0].ticket
    assert first.prunable - first.kept == round(0.8 * first.prunable) and first.provenance["sparsity"] == 0.8
    for one in found[1:]:
        assert all(torch.equal(mask, one.ticket.host.masks[name]) for name, mask in first.host.masks.items())
        assert all(torch.equal(t, one.ticket.host.ema[name]) for name, t in first.host.ema.items())


def test_the_ticket_computes_what_the_network_computes(network, tmp_path):
    made = by_prune(network).eval()
    ticket = adopt(saved(made, tmp_path / "p.pth"), HOSTS.make(HOST), HOST, (64, 64)).ticket
    ticket.save(tmp_path / "ticket")
    image = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(
        Ticket.load(tmp_path / "ticket").build()(image)[-1], made.forward_features(image), atol=1e-5, rtol=1e-5
    )


def test_a_host_of_ours_comes_back_with_its_masks(tmp_path):
    spec = HOSTS.make("supernet/tiny")
    host = spec.initial(0)
    masks = {name: torch.rand(weight.shape) < 0.3 for name, weight in prunable(host).items()}
    found = adopt(saved(lasting(host, masks), tmp_path / "h.safetensors"), spec, "supernet/tiny", (64, 64)).ticket
    assert all(torch.equal(mask, found.host.masks[name]) for name, mask in masks.items())


def test_patterns_are_measured(tmp_path):
    """Channels of one layer; 2:4 in all of them; both by hand."""
    spec = HOSTS.make("supernet/tiny")
    host = spec.initial(0)
    first, *_ = prunable(host)
    with torch.no_grad():
        prunable(host)[first][:2] = 0
    one = adopt(saved(host, tmp_path / "one.pth"), spec, "supernet/tiny", (64, 64))
    assert one.patterns == {"channel": 1} and one.ticket.provenance["pattern"] == "channel"
    host = spec.initial(0)
    scores = {name: weight.detach().abs() for name, weight in prunable(host).items()}
    for name, mask in PATTERNS.make("2:4").masks(scores, 0.5, "global").items():
        prunable(host)[name].data *= mask
    both = adopt(saved(host, tmp_path / "both.pth"), spec, "supernet/tiny", (64, 64))
    assert both.ticket.provenance["pattern"] == "2:4" and both.ticket.provenance["sparsity"] == 0.5
    both.ticket.save(tmp_path / "both")
    assert Ticket.load(tmp_path / "both").sparsity == 0.5


def test_a_stated_sparsity_is_short_and_exact():
    masks = {"w": torch.arange(3001) < 611}
    value = shortest(PATTERNS.make("element"), masks)
    assert round(value * 3001) == 3001 - 611 and len(f"{value!r}") <= 6


# ---- the command


def test_what_was_measured_and_stated_is_told(network, capsys, tmp_path):
    file = saved(by_prune(network), tmp_path / "pruned.pth")
    asked = (file, "--host", HOST, "--home", tmp_path, "--source", "cls", "--cost", "1.2e12", "--size", "64")
    code, out, _ = told(capsys, command.app, *asked)
    ticket = Ticket.load(written(out))
    assert code == 0 and f"{ticket.prunable - ticket.kept:,} of {ticket.prunable:,} weights are gone\n" in out
    assert "sparsity: 80.0%" in out and "pattern: single weights in" in out and "--sparsity 0.8 --drawer omp," in out
    assert "source: cls/figures, as you state" in out and "drawing cost: 1.2e+12 MACs, as you state" in out
    assert ticket.provenance["source"] == "cls/figures" and ticket.stated_macs == ticket.macs_spent == 1.2e12
    code, out, _ = told(capsys, show.app, written(out), "--no-layers")
    assert code == 0 and "80.0% of" in out


def test_a_dense_checkpoint_has_sparsity_0_and_says_so(network, capsys, tmp_path):
    code, out, _ = told(
        capsys, command.app, saved(network[0], tmp_path / "d.safetensors"), "--host", HOST, "--home", tmp_path
    )
    assert code == 0 and "sparsity: 0.0%, 0 of" in out and "weights are gone: it is dense" in out
    assert "source: unknown" in out and "drawing cost: unknown" in out and Ticket.load(written(out)).sparsity == 0


def test_a_zero_by_chance_makes_no_sparse_network(network, capsys, tmp_path):
    made, parts = network
    with torch.no_grad():
        parts["layer1.0.conv1"].weight.view(-1)[3] = 0.0
    code, out, _ = told(
        capsys, command.app, saved(made, tmp_path / "d.safetensors"), "--host", HOST, "--home", tmp_path
    )
    assert code == 0 and "none carried by the file, its 1 zeros are there by chance" in out
    ticket = Ticket.load(written(out))
    assert ticket.sparsity == 0 and all(mask.all() for mask in ticket.host.masks.values())


class Code:
    """What runs something when it is read."""

    def __reduce__(self):
        return (print, ("it was run",))


def test_what_is_no_checkpoint_is_told_in_a_sentence(network, capsys, tmp_path):
    made, parts = network
    state = made.state_dict()
    first = f"{next(iter(parts))}.weight"
    torch.save({**state, first: torch.zeros(2, 2)}, tmp_path / "shape.pth")
    torch.save({**state, f"{first}_mask": torch.ones(2)}, tmp_path / "mask.pth")
    torch.save({**state, f"{first}_mask": torch.full_like(state[first], 0.5)}, tmp_path / "half.pth")
    torch.save({**state, "gone.weight_mask": torch.ones(2)}, tmp_path / "gone.pth")
    torch.save({name: torch.zeros_like(tensor) for name, tensor in state.items()}, tmp_path / "nothing.pth")
    parametrize.register_parametrization(parts[next(iter(parts))], "weight", nn.Identity())
    torch.save({**state, "a.parametrizations.weight.original0": torch.ones(2)}, tmp_path / "norm.pth")
    (tmp_path / "code.pth").write_bytes(pickle.dumps({"weight": Code()}))
    (tmp_path / "text.pth").write_text("not a checkpoint")
    (tmp_path / "torn.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    wanted = {
        "shape.pth": f"does not fit: '{first}' is [2, 2] there and {list(state[first].shape)} in the model",
        "mask.pth": f"has a mask of [2] for '{first}', which is {list(state[first].shape)}",
        "half.pth": f"has the value 0.5 in the mask '{first}_mask'; a mask holds 0 and 1",
        "gone.pth": "has a mask of [2] for 'gone.weight', which is absent",
        "nothing.pth": "keeps no weight of timm/test_resnet",
        "norm.pth": "makes a weight of 'a.parametrizations.weight.original0', which is no mask",
        "code.pth": "it was not run",
        "text.pth": "or is no checkpoint",
        "torn.safetensors": "is no file of weights, or a damaged one",
        "": "is a folder; give the checkpoint in it",
        "absent.pth": "there is no file",
    }
    for name, sentence in wanted.items():
        code, out, err = told(capsys, command.app, tmp_path / name, "--host", HOST, "--home", tmp_path / "home")
        assert code == 2 and sentence in err and err.count("\n") == 1 and "it was run" not in out, (name, err)
    assert not (tmp_path / "home").exists()


def test_wrong_flags_are_told(network, capsys, tmp_path):
    file = saved(network[0], tmp_path / "d.pth")
    for args, sentence in (
        (("--host", HOST, "--cost", "-1"), "--cost is -1; give the training MACs"),
        (("--host", HOST, "--cost", "nan"), "--cost is nan"),
        (("--host", "timm/resnet"), "timm/resnet"),
        (("--host", HOST, "--source", "sge"), "unknown task 'sge'"),
        (("--host", HOST, "--size", "3"), "size '3' is not a side"),
    ):
        code, _, err = told(capsys, command.app, file, *args)
        assert code == 2 and sentence in err and err.count("\n") == 1


def test_a_ticket_is_none_to_be_adopted(network, capsys, tmp_path):
    _, out, _ = told(capsys, command.app, saved(network[0], tmp_path / "d.pth"), "--host", HOST, "--home", tmp_path)
    file = written(out).replace(".json", ".safetensors")
    code, _, err = told(capsys, command.app, file, "--host", HOST)
    assert code == 2 and f"is a ticket already; give it to bench.run as it is, by --drawer adopted@file={file}" in err


# ---- the drawer


@pytest.fixture
def file(network, tmp_path):
    """A ticket's file of a network at 80 %, of unknown cost."""
    adopt(saved(by_prune(network), tmp_path / "p.pth"), HOSTS.make(HOST), HOST, (64, 64)).ticket.save(tmp_path / "t")
    return tmp_path / "t.json"


def test_the_name_holds_the_content_and_not_the_place(file, tmp_path):
    name = DRAWERS.resolve(f"adopted@file={file}")
    assert name == f"adopted@file=sha256-{Ticket.load(file).hash[:16]}"
    for suffix in (".json", ".safetensors"):
        file.with_suffix(suffix).rename(tmp_path / f"moved{suffix}")
    assert DRAWERS.resolve(f"adopted@file={tmp_path / 'moved.safetensors'}") == name
    (tmp_path / "moved.json").unlink()
    DRAWERS.make(name).check(HOSTS.make(HOST), 0.8)


def test_it_is_drawn_as_it_is(file):
    request = Request(HOSTS.make(HOST), ToySource(), Settings(3, 0.01, calibration_batches=1), 0.8, 0)
    given, ticket = Ticket.load(file), drawn(DRAWERS.make(f"adopted@file={file}"), request)
    assert all(torch.equal(mask, ticket.host.masks[name]) for name, mask in given.host.masks.items())
    weights, own = prunable(given.build("raw")), prunable(ticket.build("raw"))
    assert all(torch.equal(weight, own[name]) for name, weight in weights.items())
    assert ticket.provenance["given"]["file"] == {"hash": given.hash, "macs": 0, "stated": None}
    assert ticket.stated_macs is None and ticket.own_macs == ticket.provenance["spent"]["macs"] > 0


def test_a_stated_cost_is_part_of_what_is_made_of_it(network, tmp_path):
    """Once, whatever way it comes; and unknown where one of them is."""
    path, spec = saved(by_prune(network), tmp_path / "p.pth"), HOSTS.make(HOST)
    adopt(path, spec, HOST, (64, 64), macs=10**9).ticket.save(tmp_path / "t")
    request = Request(spec, ToySource(), Settings(3, 0.01, calibration_batches=1), 0.8, 0)
    one = drawn(DRAWERS.make(f"adopted@file={tmp_path / 't.json'}"), request)
    assert one.stated_macs == 10**9 and one.macs_spent == one.own_macs + 10**9
    assert stated_macs([one, one]) == 10**9
    unknown = one.with_provenance(given={"file": {"hash": "0", "macs": 0, "stated": None}})
    assert stated_macs([one, unknown]) is None and stated_macs([]) == 0


def test_what_it_cannot_be_is_refused_before_any_work(file, capsys, tmp_path):
    asked = ("--target", "seg", "--drawer", f"adopted@file={file}", "--home", tmp_path / "home", "--dry-run")
    for args, sentence in (
        (("--host", HOST, "--sparsity", "0.9"), "has the sparsity 0.8, and 0.9 was asked for; give --sparsity 0.8,"),
        (("--host", "timm/resnet18", "--sparsity", "0.8"), f"is of the host {HOST}; give that one by --host"),
        (("--sparsity", "0.8"), f"is of the host {HOST}"),
    ):
        code, _, err = told(capsys, run.app, "--source", "cls", *args, *asked)
        assert code == 2 and sentence in err and err.count("\n") == 1, err
    code, _, err = told(capsys, run.app, "--source", "cls", "--host", HOST, "--drawer", "adopted", "--target", "seg")
    assert code == 2 and "say which, as in --drawer adopted@file=TICKET" in err
    ticket = Ticket.load(file).with_provenance(source="cls/figures")
    ticket.save(tmp_path / "t")
    code, _, err = told(capsys, run.app, "--source", "pose", "--host", HOST, "--sparsity", "0.8", *asked)
    assert code == 2 and "was drawn on cls/figures, and not on pose/figures; give --source cls/figures" in err
    with pytest.raises(UserError, match="no ticket whose SHA-256 begins with 0123456789abcdef is known here"):
        DRAWERS.make("adopted@file=sha256-0123456789abcdef").check(HOSTS.make(HOST), 0.8)
    with pytest.raises(UserError, match="does not exist; a ticket is two files"):
        DRAWERS.make(f"adopted@file={tmp_path / 'absent.json'}")


def test_its_rows_stand_beside_omp_without_a_rank(file, tmp_path):
    with few_images(tmp_path / "cache"):
        setting = Setting(scale=SHORT, host=HOST, budget=0.01)
        scale = scales.load(setting.scale, setting.budget)
        tasks = {name: scale.plan(name).task(name, None) for name in ("cls/figures", "seg/figures")}
        prepared = {name: task.prepare(1) for name, task in tasks.items()}
        name = DRAWERS.resolve(f"adopted@file={file}")
        ways = ("transfer", "cls/figures", "seg/figures")
        jobs = [Job(*ways, drawer, 0.8, 0, None, "finetune", "fresh") for drawer in ("omp", name)]
        draws = [need for job in jobs for draw in job.needs.values() for need in (*draw.needs.values(), draw)]
        found = done([*draws, *jobs], Facts(setting, scale, tasks, prepared, tmp_path / "home"))
    assert {one.status for one in found} == {"ok"}, [one.error for one in found]
    rows = {row.key.drawer: row for board in boards(found) if board.place.kind == "transfer" for row in board.rows}
    assert (rows["omp"].rank, rows[name].rank) == (1, None)
    assert rows[name].drawing_macs is rows[name].total_macs is rows[name].budget_ratio is None
    text = table(boards(found))
    assert text.count("drawing cost unknown") == 2 and "drawing cost as stated" not in text
    stated = [one.model_copy(update={"costs": one.costs.model_copy(update={"stated_macs": 5})}) for one in found]
    (board, *_) = boards(stated)
    assert all(row.rank for row in board.rows) and table([board]).count("drawing cost as stated") == 2


def test_parts_of_a_state_are_told_apart():
    state = {"a.weight_orig": torch.ones(2), "a.weight_mask": torch.tensor([1, 0]), "b.bias": torch.ones(1)}
    state |= {"c.parametrizations.weight.original": torch.ones(2), "c.parametrizations.weight.0.mask": torch.ones(2)}
    plain, masks = parted(state, "a file")
    assert sorted(plain) == ["a.weight", "b.bias", "c.weight"]
    assert {name: mask.tolist() for name, mask in masks.items()} == {"a.weight": [True, False], "c.weight": [True] * 2}


def test_the_page_shows_what_happens(capsys, tmp_path, monkeypatch):
    """Its ten lines prune, its first command adopts and says what stands there, and its other commands are commands."""
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    exec(compile(block, "docs/adopt.md", "exec"), {"__name__": "page"})
    lines = re.findall(r"^python -m bench\.(\w+) (.*)$", PAGE, re.M)
    assert [name for name, _ in lines] == ["adopt", "run", "show", "export"]
    code, out, _ = told(capsys, command.app, *lines[0][1].split())
    (shown,) = re.findall(r"```\n(host: .*?)```", PAGE, re.S)
    assert code == 0 and without_hash(out).startswith(without_hash(shown))
    assert without_hash(out).endswith(f"next: python -m bench.run {without_hash(lines[1][1])}\n")
    for name, args in lines[1:]:
        app = importlib.import_module(f"bench.{name}").app
        typer.main.get_command(app).make_context(name, args.split())


def without_hash(text):
    """The text with the ticket's hash, which depends on the version of PyTorch, left out."""
    return re.sub(r"pruned-[0-9a-f]{10}", "pruned-HASH", text)
