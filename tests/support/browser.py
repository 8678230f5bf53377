"""A browser without a window, driven through the debugging pipe of Chromium."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import sys

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
# Chromium reads commands from descriptor 3 and answers on 4.
_START = """
import fcntl, os, sys
commands, answers = (fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3])
os.dup2(commands, 3)
os.dup2(answers, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
# Codes of keys, and what they type.
_KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), "Space": (32, " ")}


class Browser:
    """Chromium with one page, which reaches no network.

    Parameters
    ----------
    folder : Path
        For its profile.

    Attributes
    ----------
    requests : list of str
        Addresses that the page has asked for since `show`, its own among them.
    errors : list of str
        Errors and warnings of the page's scripts and of the browser since `show`.
    """

    def __init__(self, folder):
        for_browser, self._to = os.pipe()
        answers, from_browser = os.pipe()
        self._from = os.fdopen(answers, "rb")
        options = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            f"--user-data-dir={folder / 'profile'}",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--remote-debugging-pipe",
        ]
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _START,
                f"{for_browser}",
                f"{from_browser}",
                CHROMIUM,
                *options,
            ],
            pass_fds=(for_browser, from_browser),
            stderr=subprocess.DEVNULL,
        )
        os.close(for_browser)
        os.close(from_browser)
        self._numbers, self._session = itertools.count(1), None
        self.requests, self.errors = [], []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method, **params):
        """Send a command, and return its result."""
        message = {"id": next(self._numbers), "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        answer = self._next(lambda answer: answer.get("id") == message["id"])
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _next(self, wanted):
        while True:
            content = bytearray()
            while (byte := self._from.read(1)) != b"\0":
                if not byte:
                    raise RuntimeError("Chromium has ended.")
                content += byte
            answer = json.loads(content)
            self._note(answer.get("method"), answer.get("params", {}))
            if wanted(answer):
                return answer

    def _note(self, event, params):
        """Keep what the page asks for, and what goes wrong in it."""
        if event == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif event == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            words = (str(one.get("value", one.get("description"))) for one in params["args"])
            self.errors.append(" ".join(words))
        elif event == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            entry = params["entry"]
            self.errors.append(f"{entry['text']} {entry.get('url', '')}".rstrip())

    def resize(self, width, height=900):
        """Set the size of the window in CSS pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def show(self, path, *, width, dark=False, media="", before="", query=""):
        """Load a file, after a script that runs before all others, in a window of some width."""
        self.resize(width)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", media=media, features=[scheme])
        script = self.send("Page.addScriptToEvaluateOnNewDocument", source=before)["identifier"]
        self.requests, self.errors = [], []
        self.send("Page.navigate", url=path.as_uri() + query)
        self._next(lambda answer: answer.get("method") == "Page.loadEventFired")
        self.send("Page.removeScriptToEvaluateOnNewDocument", identifier=script)

    def run(self, expression):
        """Return the value of an expression in the page, which may be a promise."""
        found = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"])
        return found["result"].get("value")

    def press(self, key):
        """Press a key of the keyboard."""
        code, text = _KEYS[key]
        name = " " if key == "Space" else key
        about = {"key": name, "code": key, "windowsVirtualKeyCode": code}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        self.send("Input.dispatchKeyEvent", type="keyUp", **about)

    def print(self):
        """Return the page as a PDF."""
        return base64.b64decode(self.send("Page.printToPDF", preferCSSPageSize=True)["data"])

    def close(self):
        """End the browser."""
        self._session = None
        try:
            self.send("Browser.close")
        finally:
            self._process.wait(timeout=60)
            os.close(self._to)
            self._from.close()
