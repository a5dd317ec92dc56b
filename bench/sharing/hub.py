"""A Hub's repositories: a folder goes up, another comes down; what fails on the way is one sentence."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from bench.sharing import layout
from tickets.errors import UserError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MODEL, DATASET = "model", "dataset"
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_NAME = re.compile(rf"(?P<set>datasets/)?(?P<name>{_PART}/{_PART})(?:@(?P<revision>[A-Za-z0-9._/-]+))?")


@dataclass(frozen=True)
class Repository:
    """One repository of a Hub.

    Args:
        name: "owner/name".
        revision: a branch, tag or commit; None for the newest.
        kind: `MODEL` or `DATASET`; None where the Hub shall tell.
    """

    name: str
    revision: str | None = None
    kind: str | None = None

    @classmethod
    def called(cls, text: str) -> Repository | None:
        """The repository that a text names, as "owner/name@revision" or "datasets/owner/name"; None if it names none.

        Example:
            >>> Repository.called("me/mine@v1")
            Repository(name='me/mine', revision='v1', kind=None)
        """
        match = _NAME.fullmatch(text)
        return match and cls(match["name"], match["revision"], DATASET if match["set"] else None)

    def __str__(self) -> str:
        prefix = "datasets/" if self.kind == DATASET else ""
        return f"{prefix}{self.name}{f'@{self.revision}' if self.revision else ''}"


def client(endpoint: str | None) -> HfApi:
    """What speaks to a Hub.

    Args:
        endpoint: its address; None for the public one, or that of the variable HF_ENDPOINT.

    Raises:
        UserError: huggingface_hub is not installed, or the address is none.
    """
    if endpoint is not None and not re.match(r"https?://[^/\s]+", endpoint):
        raise UserError(f"--endpoint is '{endpoint}'; give a Hub's address that starts with https:// or http://.")
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.utils.tqdm import disable_progress_bars
    except ImportError as error:
        raise UserError('sharing over a Hub needs huggingface_hub; pip install "huggingface_hub>=1.0".') from error
    if not sys.stderr.isatty():
        disable_progress_bars()
    return HfApi(endpoint=endpoint and endpoint.rstrip("/"), library_name=layout.MARK)


def fetch(api: HfApi, asked: Repository, to: Path) -> Repository:
    """Download a repository's tickets, networks and records, as they are at one commit.

    Args:
        api: from `client`.
        asked: the repository.
        to: an empty folder.

    Returns:
        The repository at the commit that was downloaded.

    Raises:
        UserError: there is no such repository or revision, nobody answers, or it holds files of another kind, of which
            none is downloaded.
    """
    found, names = _listed(api, asked)
    wanted = layout.content(names, str(asked))
    with told(api, asked):
        api.snapshot_download(
            found.name, repo_type=found.kind, revision=found.revision, local_dir=to,
            cache_dir=to / ".cache", allow_patterns=wanted,
        )  # fmt: skip
    shutil.rmtree(to / ".cache", ignore_errors=True)
    return found


def signed_in(api: HfApi, to: Repository) -> None:
    """Ask a Hub whether it knows the token, before any work is done for it.

    Raises:
        UserError: there is no token, it is not valid there, or nobody answers.
    """
    with told(api, to):
        api.whoami()


def refuse_others(api: HfApi, to: Repository, names: Sequence[str]) -> None:
    """Refuse to push to a repository that is there, and holds what is no push of the same files.

    Raises:
        UserError: something else lies there, which is named; or nobody answers.
    """
    try:
        found, there = _listed(api, to)
    except _NoRepository:
        return
    layout.refuse_others(there, names, _card(api, found) if layout.CARD in there else None, str(to))


def send(api: HfApi, to: Repository, folder: Path, message: str, private: bool) -> str:
    """Upload a folder to a repository, which is made where there is none, in one commit.

    Returns:
        The commit's address.

    Raises:
        UserError: the token may not write there, or nobody answers.
    """
    with told(api, to):
        api.create_repo(to.name, repo_type=to.kind, private=private, exist_ok=True)
        done = api.upload_folder(repo_id=to.name, repo_type=to.kind, folder_path=folder, commit_message=message)
    return str(done.commit_url)


class _NoRepository(UserError):
    """There is no repository of that name, or none that this token may see."""


def _listed(api: HfApi, asked: Repository) -> tuple[Repository, list[str]]:
    """A repository at the commit that is asked for, and its files."""
    for kind in (asked.kind,) if asked.kind else (MODEL, DATASET):
        try:
            with told(api, asked):
                info = api.repo_info(asked.name, repo_type=kind, revision=asked.revision)
        except _NoRepository:
            if kind in (asked.kind, DATASET):
                raise
            continue
        return replace(asked, revision=info.sha, kind=kind), [
            one.rfilename for one in getattr(info, "siblings", None) or ()
        ]
    raise AssertionError("one of the kinds either answers or raises")


def _card(api: HfApi, at: Repository) -> str:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="ticketbench-") as folder, told(api, at):
        file = api.hf_hub_download(
            at.name, layout.CARD, repo_type=at.kind, revision=at.revision, cache_dir=folder, local_dir=folder
        )
        return Path(file).read_text(encoding="utf-8", errors="replace")


@contextmanager
def told(api: HfApi, at: Repository) -> Iterator[None]:
    """What a Hub or the network refuses, as one sentence.

    Raises:
        UserError: says what it was and what to do.
    """
    from huggingface_hub import errors

    try:
        yield
    except UserError:
        raise
    except errors.RepositoryNotFoundError as error:
        kind = UserError if isinstance(error, errors.GatedRepoError) else _NoRepository
        raise kind(_why(api, at, error)) from error
    except (_of_its_http(), OSError, ValueError) as error:
        raise UserError(_why(api, at, error)) from error


def _of_its_http() -> type[Exception]:
    """The error of the HTTP library that this huggingface_hub is built on."""
    from huggingface_hub.errors import HfHubHTTPError

    return next(kind for kind in HfHubHTTPError.__mro__ if kind.__name__ == "HTTPError")


def _why(api: HfApi, at: Repository, error: Exception) -> str:
    """The sentence for what a Hub's client raised."""
    from huggingface_hub import errors

    hub = api.endpoint
    if isinstance(error, errors.LocalTokenNotFoundError):
        return f"there is no token for {hub}; make one there that may write, then run hf auth login, or set HF_TOKEN."
    if isinstance(error, errors.GatedRepoError):
        return f"{at} is gated; ask for access on {hub}, and set HF_TOKEN to your token."
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"{hub} has no repository {at} that you may see; look at the name, or set HF_TOKEN if it is private."
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{at.name} has no revision '{at.revision}'; name a branch, a tag or a commit of it."
    if (answer := getattr(error, "response", None)) is not None:
        return _refused(hub, at, answer.status_code, getattr(error, "server_message", None) or str(error))
    reason = _first(str(error)) or type(error).__name__
    return f"{hub} does not answer for {at} ({reason}); try again, or share a folder by --to."


def _refused(hub: str, at: Repository, status: int, reason: str) -> str:
    """The sentence for an answer that is an error's."""
    if status in (401, 403):
        why = "is not valid there" if status == 401 else "may not do that"
        return f"your token for {hub} {why} ({at}: status {status}); set HF_TOKEN to one that may write."
    return f"{hub} refuses {at} with status {status}: {_first(reason)}."


def _first(text: str) -> str:
    """The first line of a message, not too long, without a full stop."""
    return shorten(text.strip().partition("\n")[0], 120, placeholder="...").rstrip(".")
