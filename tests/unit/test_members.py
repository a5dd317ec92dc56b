"""Which code a plug-in is, and whether others can get it; small packages, installed as pip does."""

import base64
import hashlib
import importlib
import json
import subprocess
import sys
from importlib.metadata import Distribution

import pytest

from bench.records import members
from bench.records.members import code_of, private, sources
from tickets.errors import UserError

FILES = {"rigl/__init__.py": "raise SystemExit('imported')\n", "rigl/drawers/prune.py": "class RigL:\n    sign = 1\n"}
TARGET = "rigl.drawers.prune:RigL"
COMMIT = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
VCS = {"url": "https://example.org/rigl", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """Nothing is remembered of other tests, and modules are looked for in a folder of this one."""
    monkeypatch.setattr(members, "_told", {})
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()


def write(folder, files):
    """Write text files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def record_of(folder, names):
    """The lines of a RECORD file, with hashes as wheels have them."""
    for name in names:
        value = base64.urlsafe_b64encode(hashlib.sha256((folder / name).read_bytes()).digest()).decode().rstrip("=")
        yield f"{name},sha256={value},{(folder / name).stat().st_size}"


def installed(folder, files=FILES, url=None):
    """Files copied into an environment with their .dist-info, from an index or a direct address."""
    write(folder, files)
    info = folder / "acme_rigl-1.0.dist-info"
    write(info, {"METADATA": "Metadata-Version: 2.1\nName: acme-rigl\nVersion: 1.0\n"})
    if url is not None:
        write(info, {"direct_url.json": json.dumps(url) if isinstance(url, dict) else url})
    lines = [*record_of(folder, files), "rigl/__pycache__/prune.pyc,,", f"{info.name}/RECORD,,"]
    write(info, {"RECORD": "\n".join(lines) + "\n"})
    return Distribution.at(info)


def git(folder, *words):
    """Run git as somebody."""
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def checked_out(folder, files=FILES):
    """Files that are committed in a new checkout, and its commit."""
    write(folder, files)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return git(folder, "rev-parse", "HEAD")


def told(code):
    """What changes with where the files come from."""
    return code.commit, code.dirty, code.is_public


def code(distribution=None, target=TARGET):
    """The code of the test's drawer."""
    return code_of("drawer", "rigl", target, distribution)


def test_what_an_index_installed_is_public_and_nothing_is_imported(tmp_path):
    found = code(installed(tmp_path))
    assert (found.noun, found.name, found.distribution, found.version) == ("drawer", "rigl", "acme-rigl", "1.0")
    assert told(found) == (None, False, True) and "rigl" not in sys.modules
    by_hand = hashlib.sha256()
    for name, text in sorted(FILES.items()):
        by_hand.update(f"{name}\0{len(text)}\0{text}".encode())
    assert found.source == by_hand.hexdigest()


@pytest.mark.parametrize(
    ("name", "text"),
    [("rigl/drawers/prune.py", "class RigL:\n    sign = -1\n"), ("rigl/drawers/more.py", "x = 1\n")],
    ids=["a file edited", "a file added"],
)
def test_the_opposite_of_what_was_installed_is_another_source_and_not_public(tmp_path, name, text, monkeypatch):
    distribution = installed(tmp_path)
    before = code(distribution)
    write(tmp_path, {name: text})
    assert code(distribution) == before  # once a process
    monkeypatch.setattr(members, "_told", {})
    after = code(distribution)
    assert told(after) == (None, True, False) and after.source != before.source


def test_a_file_that_is_gone_is_a_change(tmp_path):
    distribution = installed(tmp_path, {**FILES, "rigl/weights.bin": "1"})
    (tmp_path / "rigl" / "weights.bin").unlink()
    assert told(code(distribution)) == (None, True, False)


@pytest.mark.parametrize(
    ("url", "expected", "when_edited"),
    [
        (VCS, (COMMIT, False, True), (COMMIT, True, False)),
        ({**VCS, "url": "file:///home/me/rigl"}, (COMMIT, False, False), (COMMIT, True, False)),
        ({"url": "file:///home/me/rigl", "dir_info": {}}, (None, None, False), (None, True, False)),
        ({"url": "https://example.org/rigl.zip", "archive_info": {}}, (None, None, False), (None, True, False)),
        ("{", (None, None, False), (None, True, False)),
        ("[]", (None, None, False), (None, True, False)),
    ],
    ids=["a repository", "a repository here", "a folder", "an archive", "no JSON", "a list"],
)
def test_what_an_address_installed_is_public_where_it_is_a_repository(
    tmp_path, monkeypatch, url, expected, when_edited
):
    distribution = installed(tmp_path, url=url)
    assert told(code(distribution)) == expected
    write(tmp_path, {"rigl/drawers/prune.py": "class RigL:\n    sign = -1\n"})
    monkeypatch.setattr(members, "_told", {})
    assert told(code(distribution)) == when_edited


def test_an_editable_install_is_what_its_checkout_is(tmp_path, monkeypatch):
    """Its RECORD lists a .pth file alone; a changed README does not matter, new and changed code does."""
    head = checked_out(tmp_path / "src", {**FILES, "README.md": "rigl\n"})
    monkeypatch.syspath_prepend(tmp_path / "src")
    folder = {"url": "file:///src", "dir_info": {"editable": True}}
    distribution = installed(tmp_path / "site", {"__editable__.rigl.pth": "src\n"}, folder)
    for name, expected in {"README.md": (head, False, True), "helper.py": (head, True, False)}.items():
        write(tmp_path / "src", {name: "changed = 1\n"})
        monkeypatch.setattr(members, "_told", {})
        assert told(code(distribution)) == expected
    (tmp_path / "src" / "helper.py").unlink()
    write(tmp_path / "src", {"rigl/drawers/prune.py": "class RigL:\n    sign = -1\n"})
    monkeypatch.setattr(members, "_told", {})
    assert told(code(distribution)) == (head, True, False) and told(code()) == (head, True, False)


def test_what_git_ignores_or_does_not_hold_is_nobodys(tmp_path):
    """An environment inside somebody's repository: git does not answer for what lies in it."""
    write(tmp_path, FILES)
    assert told(code()) == (None, None, False) and code().distribution is None
    write(tmp_path, {".gitignore": "lib/\n", "lib/loose.py": "x = 1\n"})
    head = checked_out(tmp_path, {"README.md": "mine\n"})
    sys.path.insert(0, str(tmp_path / "lib"))
    try:
        assert told(code(target="loose:x")) == (None, None, False)
    finally:
        sys.path.remove(str(tmp_path / "lib"))
    write(tmp_path, {"new.py": "x = 1\n"})
    assert told(code(target="new:x")) == (head, True, False)


def test_sources_are_the_package_the_file_or_the_part_of_a_namespace_that_a_module_lies_in(tmp_path):
    write(
        tmp_path, {**FILES, "rigl/data.yaml": "", "single.py": "", "shared/mine/__init__.py": "", "shared/yours.py": ""}
    )
    assert list(sources("rigl.drawers.prune")) == list(sources("rigl")) == ["rigl/__init__.py", "rigl/drawers/prune.py"]
    assert list(sources("single")) == ["single.py"] and list(sources("shared.mine.x")) == ["mine/__init__.py"]
    assert list(sources("shared.yours")) == ["yours.py"]
    assert sources("shared") == sources("no.such.module") == sources("sys") == {}


def test_a_module_that_is_not_there_is_told_in_one_sentence():
    with pytest.raises(
        UserError, match=r"the plug-in drawer 'rigl' \(no\.such:RigL\) cannot be loaded: there is no mod"
    ):
        code(target="no.such:RigL")


def test_code_that_others_cannot_get_is_named_in_one_sentence(tmp_path):
    public, loose = code(installed(tmp_path)), code_of("recipe", "mine", "rigl:Mine", None)
    assert private([public]) is None and private([]) is None
    assert private([public, loose, loose]) == (
        "nobody else can get the code of recipe 'mine' of no distribution and recipe 'mine' of no distribution; commit "
        "the plug-in and install it from its repository or index, then run the job with --force."
    )
