"""A headless Chromium for tests, told what to do over two pipes by its DevTools protocol; nothing else is needed.

https://chromedevtools.github.io/devtools-protocol lists the commands and events.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from select import select
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def found() -> str | None:
    """Path of an installed Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def opened(path: Path, profile: Path, width: int = 1280, height: int = 900, dark: bool = False) -> Iterator[Page]:
    """A file in a fresh browser, loaded.

    Args:
        path: of an HTML file.
        profile: an empty folder for the browser's own files.
        width: of the window, in pixels.
        height: of the window.
        dark: which colour scheme the page is told that its reader prefers.
    """
    with _started(profile) as (receive, send):
        page = Page(receive, send)
        page.attach()
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        page.command("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.command("Emulation.setEmulatedMedia", features=[scheme])
        page.visit(path)
        yield page


@contextlib.contextmanager
def _started(profile: Path) -> Iterator[tuple[int, int]]:
    """File descriptors to read the browser's messages from and to write commands to."""
    command_in, send = os.pipe()
    receive, message_out = os.pipe()
    # the browser reads from descriptor 3 and writes to 4: keep ours out of the way of these numbers
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (command_in, message_out)]
    actions = [(os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
    actions += [(os.POSIX_SPAWN_DUP2, end, number) for number, end in enumerate(ends, 3)]
    executable = found()
    arguments = [executable, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    child = os.posix_spawn(executable, arguments, os.environ, file_actions=actions, setpgroup=0)
    for end in (command_in, message_out, *ends):
        os.close(end)
    try:
        yield receive, send
    finally:
        os.close(send)
        os.close(receive)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)


class Page:
    """One page of the browser and what was heard from it.

    Args:
        receive: descriptor to read from.
        send: descriptor to write to.
    """

    def __init__(self, receive: int, send: int) -> None:
        self.receive, self.send = receive, send
        self.session: str | None = None
        self.events: list[dict[str, Any]] = []
        self.number = 0
        self.unread = b""

    def attach(self) -> None:
        """Talk to the first tab, and hear of its console, errors and requests."""
        targets = self.command("Target.getTargets")["targetInfos"]
        (tab,) = [target["targetId"] for target in targets if target["type"] == "page"]
        self.session = self.command("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.command(f"{domain}.enable")
        self.command("Page.setLifecycleEventsEnabled", enabled=True)

    def visit(self, path: Path) -> None:
        """Load a page of boards, started, and forget what was heard before."""
        self.run("0")
        self.events.clear()
        loader = self.command("Page.navigate", url=path.resolve().as_uri())["loaderId"]
        loaded = {"name": "load", "loaderId": loader}
        while not any(loaded.items() <= event["params"].items() for event in self.events):
            self._next()
        self.wait_until("'ready' in document.documentElement.dataset")  # what it holds is unpacked

    def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.send, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def _next(self, seconds: float = 60) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while b"\0" not in self.unread:
            left = deadline - time.monotonic()
            assert left > 0 and select([self.receive], [], [], left)[0], "the browser says nothing"
            some = os.read(self.receive, 1 << 20)
            assert some, "the browser has ended"
            self.unread += some
        text, _, self.unread = self.unread.partition(b"\0")
        message = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, promises awaited.

        Raises:
            AssertionError: it threw.
        """
        answer = self.command("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_until(self, script: str, seconds: float = 20) -> None:
        """Ask again and again until an expression is true."""
        deadline = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < deadline, f"never came true: {script}"
            time.sleep(0.05)

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of the first element that matches, scrolled into view."""
        where = f"document.querySelector({json.dumps(selector)})"
        self.run(f"{where}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        middle = "((r) => [r.x + r.width / 2, r.y + r.height / 2])"
        x, y = self.run(f"{middle}({where}.getBoundingClientRect())")
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str, code: int) -> None:
        """Press a key, as in ("Enter", 13)."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        for kind in ("keyDown", "keyUp"):
            what = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
            self.command("Input.dispatchKeyEvent", **what, **({"text": text} if text and kind == "keyDown" else {}))

    def complaints(self) -> list[str]:
        """Everything that went to the console or was thrown, and what the browser logged itself."""
        self.run("0")  # what was said until now has been read when this is answered
        told = [e for e in self.events if e["method"] in LOUD]
        return [json.dumps(event["params"])[:500] for event in told]

    def requests(self) -> list[str]:
        """Addresses that were asked for, in order."""
        self.run("0")
        return [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]

    def screenshot(self, out: Path, whole: bool = False) -> None:
        """Write what is seen, or the whole page, as PNG."""
        answer = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        out.write_bytes(base64.b64decode(answer["data"]))


LOUD = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
