"""A stand-in for a Hub: the few answers that huggingface_hub needs to make, fill, list and read repositories."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_of_the_tests"


@dataclass
class Hub:
    """Its repositories, as "models/owner/name" or "datasets/owner/name": the files of each commit, oldest first.

    Args:
        url: its address.
        commits: by repository (commit, files by path).
        private: names of those that were made private.
        asked: paths of the files that were downloaded.
        refusing: status by path of what is refused, whoever asks.
    """

    url: str = ""
    commits: dict[str, list[tuple[str, dict[str, bytes]]]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    refusing: dict[str, int] = field(default_factory=dict)

    def commit(self, name: str, files: dict[str, bytes]) -> str:
        """Add a commit with these files, others of before included."""
        past = self.commits.setdefault(name, [])
        new = {**(past[-1][1] if past else {}), **files}
        told = json.dumps([name, len(past), sorted(new)]).encode()
        past.append((hashlib.sha1(told).hexdigest(), new))
        return past[-1][0]

    def at(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """One commit's name and files; "main" is the newest."""
        past = self.commits[name]
        return past[-1] if revision == "main" else dict((sha, (sha, files)) for sha, files in past).get(revision)


class Answers(BaseHTTPRequestHandler):
    """One request to a hub."""

    hub: Hub

    def do_GET(self) -> None:
        """Who somebody is, what a repository holds, a file."""
        path = unquote(urlsplit(self.path).path).strip("/")
        if path in self.hub.refusing:
            return self.refuse(self.hub.refusing[path])
        if path == "api/whoami-v2":
            return self.say({"name": "me", "type": "user", "orgs": []}) if self.is_known() else self.refuse(401)
        if match := re.fullmatch(r"api/((?:models|datasets)/[^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path):
            name, what, revision = match.groups()
            if (found := self.found(name, revision or "main")) is not None:
                sha, files = found
                told = {"id": name.partition("/")[2], "sha": sha, "siblings": [{"rfilename": one} for one in files]}
                self.say(tree(files) if what == "tree" else told)
            return None
        match = re.fullmatch(r"(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if match and (found := self.found(f"{match[1] or 'models/'}{match[2]}", match[3])):
            if match[4] not in found[1]:
                return self.refuse(404, "EntryNotFound")
            return self.give(*found, match[4])
        return None if match else self.refuse(404)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Make a repository, look at a card, take a commit."""
        path, body = urlsplit(self.path).path.strip("/"), self.rfile.read(int(self.headers["Content-Length"] or 0))
        if path in self.hub.refusing or not self.is_known():
            return self.refuse(self.hub.refusing.get(path, 401))
        if path == "api/repos/create":
            told = json.loads(body)
            name = f"{told.get('type', 'model')}s/{told.get('organization') or 'me'}/{told['name']}"
            self.hub.commit(name, {})
            self.hub.private |= {name} if told.get("private") or told.get("visibility") == "private" else set()
            return self.say({"url": f"{self.hub.url}/{name.removeprefix('models/')}"})
        if path == "api/validate-yaml":
            yaml.safe_load(json.loads(body)["content"].split("---")[1])
            return self.say({"errors": [], "warnings": []})
        match = re.fullmatch(r"api/((?:models|datasets)/[^/]+/[^/]+)/(preupload|commit)/main", path)
        if match is None or self.found(match[1], "main") is None:
            return None if match else self.refuse(404)
        if match[2] == "preupload":
            names = [one["path"] for one in json.loads(body)["files"]]
            return self.say({"files": [{"path": one, "uploadMode": "regular", "shouldIgnore": False} for one in names]})
        given = [line["value"] for line in map(json.loads, body.splitlines()) if line["key"] == "file"]
        sha = self.hub.commit(match[1], {one["path"]: base64.b64decode(one["content"]) for one in given})
        place = f"{self.hub.url}/{match[1].removeprefix('models/')}"
        return self.say({"success": True, "commitOid": sha, "commitUrl": f"{place}/commit/{sha}"})

    def found(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """A commit of a repository; None where there is none, which is then answered."""
        if name not in self.hub.commits or (name in self.hub.private and not self.is_known()):
            return self.refuse(404, "RepoNotFound")
        return self.hub.at(name, revision) or self.refuse(404, "RevisionNotFound")

    def is_known(self) -> bool:
        """Whether the token is one of this hub."""
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def give(self, sha: str, files: dict[str, bytes], path: str) -> None:
        """A file."""
        if self.command == "GET":
            self.hub.asked.append(path)
        self.send(200, files[path], {"ETag": f'"{blob(files[path])}"', "X-Repo-Commit": sha})

    def say(self, told: Any) -> None:
        """Data."""
        self.send(200, json.dumps(told).encode(), {"Content-Type": "application/json"})

    def refuse(self, status: int, code: str = "") -> None:
        """An error, as a Hub names it."""
        self.send(status, b"", {"X-Error-Code": code, "X-Error-Message": code} if code else {})

    def send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        """One answer."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """Nobody reads it."""


def blob(data: bytes) -> str:
    """The name that git gives a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def tree(files: dict[str, bytes]) -> list[dict[str, Any]]:
    """A listing."""
    return [{"type": "file", "path": one, "size": len(data), "oid": blob(data)} for one, data in files.items()]


@contextmanager
def served() -> Iterator[Hub]:
    """A hub on a port of this machine, empty."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Answers,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
