"""Suites, scales and flags of strangers: refused, or read as they are written, in no time and little memory."""

import pytest

from bench import run
from bench.command import console
from bench.request import scale, suite, sweep, written
from tickets.errors import UserError

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOMB, "refers to another by *; write it out"),
        ("sweeps: &a [*a]", "refers to another by *"),
        ("sweeps: " + "[" * 10_000 + "]" * 10_000, "nested more than 16 deep"),
        ("budget: 1\nbudget: 2\n", "one comes twice"),
        ("? [a]\n: 1\n", "unhashable key"),
        ("x" * 10**6, "at most 0 MiB are read"),
        ("sweeps: !!python/object/apply:os.system [id]", "could not determine a constructor"),
        ("budget: \x00", "special characters are not allowed"),
    ],
    ids=["bomb", "recursion", "nesting", "twice", "list as key", "large", "object", "zero"],
)
def test_what_no_suite_needs_is_refused(tmp_path, text, why):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as refused:
        suite.load(str(path))
    assert why in str(refused.value) and len(str(refused.value)) < 600


@pytest.mark.parametrize("text", ["010", "1:30", "0x10", "0b11", "1_000", "2026-01-31", "9" * 5000, "1e308", "+-1"])
def test_a_number_of_another_base_stays_the_text_that_it_is(text):
    assert written.read(f"seed: {text}") == {"seed": text}


@pytest.mark.parametrize(
    ("text", "value"), [("10", 10), ("-3", -3), ("0", 0), ("0.5", 0.5), ("1.0e-5", 1e-5), ("yes", True)]
)
def test_a_plain_number_is_one(text, value):
    assert written.read(text) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("budget: 1.0e+308\n", "--budget is 1e+308; give a factor above 0 and at most 1,000,000"),
        ("budget: .nan\n", "--budget is nan"),
        ("budget: {a: 1}\n", "budget is {'a': 1}; give one value"),
        ("threads: 10000000000\n", "--threads is 10000000000; give a whole number of at least 1 and at most"),
        ("threads: 010\n", "threads is '010'; give one value"),
        ("set: {steps: 1}\n", "unknown option of a scale 'steps'"),
        ("set: {draw.steps: 1.0e+300}\n", "draw.steps is '1e+300'"),
        ("set: {draw.learning_rate: .inf}\n", "draw.learning_rate is 'inf'"),
        ("set: {size: {a: 1}}\n", "size is {'a': 1}"),
        ("set: {size: [1000000000, 8]}\n", "size.0 is 1000000000"),
        ("set: {batch_size: 1:30}\n", "batch_size is '1:30'"),
    ],
)
def test_values_without_bound_are_refused_before_anything_is_done(tmp_path, capsys, text, why):
    path = tmp_path / "mine.yaml"
    path.write_text(f"{text}sweeps: [{{source: cls, target: none, drawer: omp}}]\n")
    with pytest.raises(SystemExit) as left:
        console.main(run.app, "bench.run", ["--suite", str(path), "--home", str(tmp_path), "--dry-run"])
    assert left.value.code == 2 and why in capsys.readouterr().err


@pytest.mark.parametrize("value", ["{a: 1}", "[[1]]", "[{a: 1}]"])
@pytest.mark.parametrize("key", ["seed", "sparsity", "source"])
def test_mappings_where_values_belong_are_told(key, value):
    found = suite.parse(written.read(f"sweeps: [{{{key}: {value}}}]"), "mine.yaml")
    assert f"sweep 1: {key} is " in found.mistakes[0] and "give a value or a list of values" in found.mistakes[0]


@pytest.mark.parametrize("text", ["9" * 5000, "0-99999", "4-0", "-1", "1-", "1-2-3", "٣", "1:30", "0x1", "1e3"])
def test_what_is_no_seed_is_refused(text):
    with pytest.raises(UserError, match="seed '") as refused:
        sweep.seeds_in(text)
    assert len(str(refused.value)) < 300


def test_a_range_of_seeds():
    assert sweep.seeds_in("0-4") == (0, 1, 2, 3, 4)
    assert sweep.seeds_in("3,0-1, 3") == (3, 0, 1)
    (found,) = suite.narrowed(suite.Suite(({"seed": "0-4"},)), {"seed": "2-9"})
    assert found["seed"] == "2,3,4"


def test_numbers_of_thousands_of_digits_in_flags_are_refused(capsys, tmp_path):
    for flag in ("--threads", "--budget", "--sparsity", "--seed"):
        with pytest.raises(SystemExit) as left:
            console.main(run.app, "bench.run", [flag, "9" * 5000, "--home", str(tmp_path), "--dry-run"])
        assert left.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_every_scale_and_suite_of_ours_is_read_as_before():
    for folder in (scale.FOLDER, suite.FOLDER):
        for path in folder.glob("*.yaml"):
            import yaml

            assert written.read(path.read_text()) == yaml.safe_load(path.read_text()), path


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("draw." + "s" * 5000 + "=1", r"^unknown option of a scale 'draw\.s{195}\.\.\.'\. "),
        ("s" * 5000, r"^'s{200}\.\.\.' is no option of a scale;"),
        (f"size=32x{'9' * 5000}", r"^scale tiny@size=32x9{187}\.\.\.: size is '32x9{70,80}"),
        (f"draw.steps={'9' * 2000}", r"^scale tiny@draw\.steps=9{184}\.\.\.: draw\.steps is "),
    ],
)
def test_an_option_of_a_page_s_length_is_told_by_its_start(option, told):
    with pytest.raises(UserError, match=told):
        scale.load(f"tiny@{option}")
