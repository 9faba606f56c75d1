"""A headless Chromium, driven over its debugging protocol."""

import asyncio
import itertools
import os
import re
import shutil
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
START_SECONDS = 60.0
ADDRESS = re.compile(rb"DevTools listening on (ws://\S+)")


@dataclass
class Tab:
    """A page that is open."""

    socket: aiohttp.ClientWebSocketResponse
    session_id: str
    complaints: list[str] = field(default_factory=list)
    """What the page's console and security policy complained of."""
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def call(self, method: str, *, in_page: bool = True, **parameters: Any) -> dict[str, Any]:
        """Calls a method of the protocol."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if in_page:
            message["sessionId"] = self.session_id
        await self.socket.send_json(message)
        while True:
            answer = await self.socket.receive_json(timeout=START_SECONDS)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self.note(answer)

    def note(self, event: dict[str, Any]) -> None:
        details = event.get("params", {})
        if event.get("method") == "Log.entryAdded" and details["entry"]["level"] in ("warning", "error"):
            self.complaints.append(details["entry"]["text"])
        if event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(details["exceptionDetails"]))

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def wait_for(self, expression: str, seconds: float = 20.0) -> Any:
        """Waits until an expression is true, and gives its value."""
        async with asyncio.timeout(seconds):
            while True:
                found = await self.evaluate(expression)
                if found:
                    return found
                await asyncio.sleep(0.05)

    async def open(self, url: str, *, width: int = 1200, dark: bool = False, scripts: bool = True) -> None:
        """Goes to an address and waits until it is loaded."""
        await self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        await self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        answer = await self.call("Page.navigate", url=url)
        assert "errorText" not in answer, answer
        await self.wait_for("document.readyState === 'complete'")

    async def screenshot(self, path: Path) -> None:
        """Takes a picture of the whole page."""
        answer = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        await asyncio.to_thread(path.write_bytes, b64decode(answer["data"]))


@asynccontextmanager
async def browsing(folder: Path) -> AsyncIterator[Tab]:
    """A browser with one empty page, ended afterwards."""
    assert PROGRAM is not None
    options = ["--headless=new", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")  # it refuses to run as root otherwise
    process = await asyncio.create_subprocess_exec(
        PROGRAM,
        *options,
        "--remote-debugging-port=0",
        f"--user-data-dir={folder / 'profile'}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    draining = None
    try:
        async with asyncio.timeout(START_SECONDS):
            while (found := ADDRESS.search(line := await process.stderr.readline())) is None:
                assert line, "the browser ended"
        draining = asyncio.ensure_future(process.stderr.read())
        async with aiohttp.ClientSession() as client, client.ws_connect(found[1].decode(), max_msg_size=0) as socket:
            tab = Tab(socket, "")
            target = await tab.call("Target.createTarget", in_page=False, url="about:blank")
            attached = await tab.call("Target.attachToTarget", in_page=False, targetId=target["targetId"], flatten=True)
            tab.session_id = attached["sessionId"]
            for domain in ("Page", "Runtime", "Log"):
                await tab.call(f"{domain}.enable")
            yield tab
            with suppress(ConnectionError, TypeError, TimeoutError):
                await tab.call("Browser.close", in_page=False)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        if draining is not None:
            await draining
