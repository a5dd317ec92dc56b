"""What a pull request needs of a submission: a branch of the checkout, or an archive to unpack over one."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.records.provenance import git
from tickets.errors import UserError

Files = Mapping[str, str]
"""Text by a file's path in the repository, with slashes."""


def archive(files: Files) -> bytes:
    """A gzipped tar of some files; the same bytes for the same files."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, text in sorted(files.items()):
            data = text.encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(plain.getvalue(), mtime=0)


def check_branch(root: Path | None, name: str) -> Path:
    """See that a branch can be made; its checkout.

    Raises:
        UserError: there is no checkout, git does not take the name, or the branch exists.
    """
    if root is None:
        raise UserError(f"--branch {name} needs a git checkout of ticketbench; give --out FILE.tar.gz in its place.")
    if git(root, "check-ref-format", "--branch", name) is None:
        raise UserError(f"--branch {name} is no name of a branch; give e.g. rows-of-mine.")
    if git(root, "rev-parse", "--verify", f"refs/heads/{name}") is not None:
        raise UserError(f"--branch {name}: {root} has it already, and it is not overwritten; give another name.")
    return root


def branch(root: Path, name: str, files: Files, message: str) -> str:
    """A new branch with one commit on top of the checkout's; nothing is checked out, and its files stay as they are.

    Returns:
        The commit.

    Raises:
        UserError: git refuses; tells why.
    """
    with tempfile.TemporaryDirectory(prefix="ticketbench-") as place:
        index = {"GIT_INDEX_FILE": str(Path(place) / "index")}
        _git(root, "read-tree", "HEAD", env=index)
        blobs = {path: _git(root, "hash-object", "-w", "--stdin", said=text) for path, text in files.items()}
        listed = "".join(f"100644 {blob}\t{path}\n" for path, blob in blobs.items())
        _git(root, "update-index", "--add", "--index-info", said=listed, env=index)
        tree = _git(root, "write-tree", env=index)
    made = _git(root, "commit-tree", tree, "-p", "HEAD", said=message)
    _git(root, "branch", name, made)
    return made


def _git(root: Path, *args: str, said: str = "", env: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            ["git", *args],
            cwd=root,
            input=said,
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, **(env or {})},
        )
    except OSError as error:
        raise UserError(f"git cannot be run ({error.strerror}); give --out FILE.tar.gz, not --branch.") from error
    if done.returncode:
        why = " ".join(done.stderr.split())
        raise UserError(f"git {args[0]} failed in {root}: {why}; mend it, or give --out FILE.tar.gz.")
    return done.stdout.strip()
