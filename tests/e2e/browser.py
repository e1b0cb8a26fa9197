# SPDX-License-Identifier: MIT
"""Debian's Chromium, driven by playwright from PyPI, for the tests of the live page and for scripts/screenshots. A page that is
opened here watches itself: requests to elsewhere, errors, dialogs and violations of the Content-Security-Policy are kept."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

SKIP = 77
PACKAGES = ["playwright", "axe-playwright-python"]

# Runs in the page before anything else does.
WATCH = """
window.seen = {violations: [], long: [], frames: 0};
document.addEventListener("securitypolicyviolation", (e) => seen.violations.push(e.violatedDirective + " " + e.blockedURI));
new PerformanceObserver((list) => { for (const e of list.getEntries()) seen.long.push(e.duration); }).observe({entryTypes: ["longtask"]});
(function frame() { seen.frames++; requestAnimationFrame(frame); })();
"""


def skip(why):
    print("skipped: " + why)
    sys.exit(SKIP)


def chromium():
    return shutil.which("chromium") or skip("chromium is not installed")


def with_playwright():
    """Goes on in an interpreter that has the packages: this one, the one that WATTLE_BROWSER_PYTHON names, or a fresh one."""
    chromium()
    try:
        import playwright.sync_api  # noqa: F401
        import axe_playwright_python  # noqa: F401
        return
    except ImportError:
        pass
    python = os.environ.get("WATTLE_BROWSER_PYTHON")
    if python and os.path.abspath(python) != os.path.abspath(sys.executable):
        os.execv(python, [python, *sys.argv])
    with tempfile.TemporaryDirectory(prefix="wattle-browser-") as folder:
        if subprocess.run([sys.executable, "-m", "venv", folder], capture_output=True).returncode:
            skip("this Python makes no virtual environment")
        python = os.path.join(folder, "bin", "python")
        got = subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "1", *PACKAGES],
                             capture_output=True, timeout=300)
        if got.returncode:
            skip("playwright can't be fetched from PyPI")
        sys.exit(subprocess.run([python, *sys.argv]).returncode)


class Browser:
    def __init__(self):
        from playwright.sync_api import sync_playwright
        self.play = sync_playwright().start()
        self.chromium = self.play.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])

    def open(self, url, width=1440, height=900, scheme="light", **context):
        return View(self, url, viewport={"width": width, "height": height}, color_scheme=scheme, **context)

    def close(self):
        self.chromium.close()
        self.play.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class View:
    """One page in a context of its own. problems: what must not happen; a test that expects one takes it out."""

    def __init__(self, browser, url, **context):
        self.context = browser.chromium.new_context(**context)
        self.page = self.context.new_page()
        self.origin = "/".join(url.split("/")[:3])
        self.problems, self.requests = [], []
        self.page.add_init_script(WATCH)
        self.page.on("request", self.requested)
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.problems.append(f"console {m.type}: {m.text}"))
        self.page.on("pageerror", lambda e: self.problems.append(f"page error: {e}"))
        self.page.on("dialog", self.dialog)
        self.page.goto(url)

    def requested(self, request):
        self.requests.append(request.url)
        if not request.url.startswith(self.origin + "/") and not request.url.startswith("data:"):
            self.problems.append("request to " + request.url)

    def dialog(self, dialog):
        self.problems.append("dialog: " + dialog.message)
        dialog.dismiss()

    def js(self, code, argument=None):
        return self.page.evaluate(code, argument)

    def text(self, selector):
        return self.page.text_content(selector)

    def wait(self, condition, what, seconds=60):
        """condition: Python. The browser goes on meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            self.page.wait_for_timeout(50)
        raise AssertionError(f"not in {seconds} s: {what}; problems: {self.problems[:3]}")

    def live(self):
        self.wait(lambda: self.text("#connection-text") == "live", "the page is live")

    def devices(self):
        """The rows of the table, read in one go: {device id: {column: text}}."""
        return self.js("""() => Object.fromEntries([...document.querySelectorAll("table.devices tbody tr")].map((tr) => [tr.dataset.id,
            {name: tr.querySelector(".device-link").textContent, alarm: !tr.querySelector(".tag").hidden,
             ...Object.fromEntries([...tr.querySelectorAll("td[data-label]")].map((td) => [td.dataset.label, td.textContent]))}]))""")

    def counters(self):
        return self.js("""() => Object.fromEntries([...document.querySelectorAll("#counters > div")].map((d) =>
            [d.querySelector("dt").textContent, d.querySelector("b").textContent]))""")

    def analyses(self):
        """[device id, text, whether it is still being written], newest first."""
        return self.js("""() => [...document.querySelectorAll("#analysis-list > li.analysis")].map((li) =>
            [decodeURIComponent(li.querySelector("a").hash.slice("#/device/".length)), li.querySelector(".said").textContent, li.classList.contains("writing")])""")

    def models(self):
        return self.js("""() => [...document.querySelectorAll("#model-cards .card")].map((c) => ({name: c.querySelector("h3").title, note: c.querySelector("p").textContent,
            ...Object.fromEntries([...c.querySelectorAll("dl > div")].map((d) => [d.querySelector("dt").textContent, d.querySelector("dd b").textContent]))}))""")

    def overflow(self):
        return self.js("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def axe(self):
        """What axe finds against WCAG 2.2 A and AA and its best practices, as words."""
        from axe_playwright_python.sync_playwright import Axe
        found = Axe().run(self.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
        return [f"{v['id']}: {v['nodes'][0]['html'][:120]}" for v in found.response["violations"]]

    def heap(self):
        """Bytes of JavaScript after a collection."""
        session = self.context.new_cdp_session(self.page)
        session.send("HeapProfiler.enable")
        session.send("HeapProfiler.collectGarbage")
        session.send("Performance.enable")
        values = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
        session.detach()
        return values["JSHeapUsedSize"]

    def close(self):
        self.problems += ["policy violation: " + v for v in self.js("() => seen.violations")]
        self.context.close()
        return self.problems
