"""A real browser for tests: headless Chromium, driven by its DevTools protocol with the standard library."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def chromium() -> str | None:
    """Path of the browser; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """One tab. Text frames of a WebSocket are all that the protocol needs."""

    def __init__(self, address: str) -> None:
        host, _, path = address.removeprefix("ws://").partition("/")
        name, _, port = host.partition(":")
        self.door = socket.create_connection((name, int(port)), timeout=60)
        key = base64.b64encode(os.urandom(16)).decode()
        self.door.sendall(
            f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.left = b""
        while b"\r\n\r\n" not in self.left:
            self.left += self.door.recv(65536)
        self.left = self.left.partition(b"\r\n\r\n")[2]
        self.number = 0
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self(f"{domain}.enable")

    def _read(self, count: int) -> bytes:
        while len(self.left) < count:
            more = self.door.recv(1 << 20)
            if not more:
                raise ConnectionError("the browser is gone")
            self.left += more
        found, self.left = self.left[:count], self.left[count:]
        return found

    def _message(self) -> dict[str, Any]:
        body = b""
        while True:
            first, size = self._read(2)
            size &= 127
            if size == 126:
                (size,) = struct.unpack(">H", self._read(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", self._read(8))
            body += self._read(size)
            if first & 128:
                return dict(json.loads(body))

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self.number += 1
        body = json.dumps({"id": self.number, "method": method, "params": parameters}).encode()
        mask, n = os.urandom(4), len(body)
        if n < 126:
            size = bytes([128 | n])
        else:
            size = b"\xfe" + struct.pack(">H", n) if n < 65536 else b"\xff" + struct.pack(">Q", n)
        masked = bytes(b ^ mask[i % 4] for i, b in enumerate(body))
        self.door.sendall(b"\x81" + size + mask + masked)
        while True:
            found = self._message()
            if found.get("id") == self.number:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']}")
                return dict(found["result"])
            self.events.append(found)

    def js(self, expression: str) -> Any:
        """Value of an expression in the page; the debugger is not held by its content security policy."""
        found = self("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"])
        return found["result"].get("value")

    def wait(self, expression: str, seconds: float = 30) -> Any:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with suppress(RuntimeError):
                if found := self.js(expression):
                    return found
            time.sleep(0.03)
        raise AssertionError(f"never true: {expression}; the page says {self.text()[:2000]!r}")

    def text(self) -> str:
        """What the page says."""
        return str(self.js("document.body.innerText"))

    def open(self, address: str) -> None:
        """Go to an address and wait until it is there."""
        self("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def key(self, key: str) -> None:
        """Press and release a key, as a keyboard does."""
        code = {"Enter": 13, "Escape": 27, "ArrowDown": 40}.get(key, ord(key.upper()) if len(key) == 1 else 0)
        text = {"text": "\r" if key == "Enter" else key} if len(key) == 1 or key == "Enter" else {}
        self("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        self("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        """Write into the field that has the focus."""
        self("Input.insertText", text=text)

    def picture(self, path: Path, *, dark: bool = False, width: int = 1200, height: int = 900) -> None:
        """Write a screenshot of the page in one of its two schemes."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self("Emulation.setEmulatedMedia", features=scheme)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self("Emulation.setDeviceMetricsOverride", **size)
        path.write_bytes(base64.b64decode(self("Page.captureScreenshot", format="png")["data"]))

    def faults(self) -> list[str]:
        """Errors that the console or the content security policy reported so far."""
        out = []
        for event in self.events:
            if event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                out.append(str(event["params"]["entry"]["text"]))
            if event.get("method") == "Runtime.exceptionThrown":
                out.append(str(event["params"]["exceptionDetails"]))
        return out


@contextmanager
def browser(folder: Path) -> Iterator[SimpleNamespace]:
    """A browser with a profile in `folder`; `tab()` opens a tab, `kill()` ends it at once."""
    path = chromium()
    assert path is not None
    profile = folder / "profile"
    (profile / "DevToolsActivePort").unlink(missing_ok=True)
    flags = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={profile}",
    ]  # fmt: skip
    process = subprocess.Popen(
        [path, *flags, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 60
        while not (profile / "DevToolsActivePort").is_file() or not (
            lines := (profile / "DevToolsActivePort").read_text().split()
        ):
            assert process.poll() is None, "the browser ended"
            assert time.monotonic() < end, "the browser does not start"
            time.sleep(0.05)
        base = f"http://127.0.0.1:{lines[0]}"

        def tab() -> Tab:
            ask = urllib.request.Request(f"{base}/json/new?about:blank", method="PUT")
            with urllib.request.urlopen(ask, timeout=60) as answer:
                return Tab(json.load(answer)["webSocketDebuggerUrl"])

        yield SimpleNamespace(tab=tab, kill=process.kill)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


WATCH = """
window.tilthTimes = []; window.tilthRows = [];
let pressed = 0;
document.addEventListener('keydown', (e) => {
  pressed = e.timeStamp;
  window.tilthRows.push(document.querySelector('#row-name code').textContent);
}, true);
new MutationObserver(() => {
  if (!pressed) return;
  const began = pressed; pressed = 0;
  requestAnimationFrame(() => { const c = new MessageChannel();
    c.port1.onmessage = () => window.tilthTimes.push(performance.now() - began); c.port2.postMessage(0); });
}).observe(document.getElementById('row-name'), {childList: true});
true
"""
"""Notes, for each key, the row that was on the screen, and the milliseconds until the next was painted."""


def sign_in(tab: Tab, address: str, name: str) -> None:
    """Open the page on which rows are decided, and say who decides."""
    base, _, query = address.partition("?")
    tab.open(f"{base}decide?{query}")
    tab.wait("document.getElementById('who').open || !document.getElementById('desk').hidden")
    if tab.js("document.getElementById('who').open"):
        tab.type(name)
        tab.key("Enter")
    tab.wait("!document.getElementById('desk').hidden")
