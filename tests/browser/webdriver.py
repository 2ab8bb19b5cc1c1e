# SPDX-License-Identifier: Apache-2.0
"""A browser driven over HTTP: as much of W3C WebDriver as the checks need, and no package."""

import base64
import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # key that the standard gives to elements
CONTROL, ENTER, ESCAPE, ARROW_DOWN = "\ue009", "\ue007", "\ue00c", "\ue015"

CHROMIUM_OPTIONS = [
    "--headless=new",
    "--no-sandbox",  # it may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]


class BrowserError(Exception):
    """The browser, or its driver, cannot be used."""


@contextlib.contextmanager
def browser():
    """A Browser with an empty profile, which ends with the block."""
    for program in ("chromium", "chromedriver"):
        if not shutil.which(program):
            raise BrowserError(f"there is no {program} (packages chromium, chromium-driver)")
    with tempfile.TemporaryDirectory() as profile:
        command = ["chromedriver", "--port=0"]
        quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        with subprocess.Popen(command, **quiet) as driver:
            try:
                page = Browser(f"http://127.0.0.1:{port_of(driver)}", profile)
                try:
                    yield page
                finally:
                    page.quit()
            finally:
                driver.terminate()


def port_of(driver):
    said = ""
    for line in driver.stdout:
        said += line
        found = re.search(r"started successfully on port (\d+)", line)
        if found:
            return int(found[1])
    raise BrowserError("chromedriver does not start: " + said)


class Browser:
    def __init__(self, address, profile):
        self.address = address
        options = {"args": [*CHROMIUM_OPTIONS, f"--user-data-dir={profile}"]}
        capabilities = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = self.send("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        self.address += f"/session/{session['sessionId']}"

    def send(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, data, headers, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # this machine only
        try:
            with opener.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise BrowserError(f"{value['error']}: {value['message'].splitlines()[0]}") from error

    def quit(self):
        self.send("DELETE", "")

    def open(self, path):
        self.send("POST", "/url", {"url": path.resolve().as_uri()})

    def run(self, script, *arguments):
        """What the body of a JavaScript function returns."""
        return self.send("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def devtools(self, command, **parameters):
        return self.send("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def find(self, selector):
        return self.send("POST", "/element", {"using": "css selector", "value": selector})

    def click(self, element):
        self.send("POST", f"/element/{element[ELEMENT]}/click", {})

    def type(self, element, text):
        self.send("POST", f"/element/{element[ELEMENT]}/value", {"text": text})

    def clear(self, element):
        """As a user does it, so that the page is told."""
        self.type(element, CONTROL + "a" + CONTROL + "\ue003")

    def press(self, *keys):
        """Keys to where the focus is, all of them held down before the first goes up."""
        actions = [{"type": "keyDown", "value": key} for key in keys]
        actions += [{"type": "keyUp", "value": key} for key in reversed(keys)]
        self.perform({"type": "key", "id": "keys", "actions": actions})

    def point(self, element, x=0, y=0):
        """Moves the pointer to the element's middle, or as many pixels beside it."""
        move = {"type": "pointerMove", "duration": 0, "x": x, "y": y, "origin": element}
        self.perform({"type": "pointer", "id": "mouse", "actions": [move]})

    def perform(self, *actions):
        self.send("POST", "/actions", {"actions": list(actions)})

    def console_errors(self):
        """Messages since the last call."""
        messages = self.send("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in messages if entry["level"] == "SEVERE"]

    def set_window(self, width, height):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", **metrics)
        self.wait_for_frame()

    def wait_for_frame(self):
        """The page is told of a new size before it draws: so it has been after two frames."""
        script = "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
        self.send("POST", "/execute/async", {"script": script, "args": []})

    def set_scheme(self, scheme):
        """ "light" or "dark"."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.devtools("Emulation.setEmulatedMedia", features=[feature])

    def screenshot(self, path):
        """A PNG of the document, of its beginning when that is long."""
        size = self.run(
            "const e = document.documentElement; return [e.scrollWidth, e.scrollHeight]"
        )
        clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], 6000), "scale": 1}
        shot = self.devtools("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))
