# SPDX-License-Identifier: MIT
"""The live page in a real browser: what is on the screen equals what an outside subscriber saw published; what devices and models
say is text and nothing else; it can be used by keyboard, on a phone, in both themes; a thousand devices stay smooth."""
import json
import os
import re
import statistics
import time

import browser
import lab
from lab import check

DIGITS = {"Temperature": ("temp", 1), "Humidity": ("humidity", 1), "CO": ("co", 4), "LPG": ("lpg", 4), "Smoke": ("smoke", 4)}
chrome = None


def address(lines):
    line = lines.wait(lambda s: s.startswith("Dashboard: "), "the page's address")
    return re.fullmatch(r"Dashboard: (http://127\.0\.0\.1:\d+/)", line).group(1)


def run(*args, **env):
    """A fleet with the page on: the program, the page's address, the port of its private broker."""
    p = lab.Program("run", "--dashboard", "--dashboard-port", "0", *args, **env)
    url = address(p.err)
    line = p.err.wait(lambda s: s.startswith("Broker: "), "the broker's address")
    return p, url, int(re.match(r"Broker: mqtt://127\.0\.0\.1:(\d+) ", line).group(1))


def watch(folder, broker, port="0", **env):
    """The page of a broker."""
    p = lab.Program("dashboard", "--dashboard-port", port, TMPDIR=folder, **broker.settings(), **env)
    return p, address(p.out)


def number(text):
    return float(text.replace(",", "").split("\u00a0")[0])


def close(view, expected=None):
    """expected: words of problems that the test made itself."""
    problems = [x for x in view.close() if not expected or expected not in x]
    check(not problems, f"{len(problems)} problems, the first: {problems[:3]}")


def row_is_published(row, reading, what):
    """Every value of a row of the table against a telemetry message."""
    for column, (field, digits) in DIGITS.items():
        check(abs(number(row[column]) - reading[field]) <= 0.5 * 10 ** -digits + 1e-9, f"{what}: {column} {row[column]}, published {reading[field]}")
    for column, field in (("Light", "light"), ("Motion", "motion")):
        check(row[column] == ("yes" if reading[field] else "no"), f"{what}: {column} {row[column]}, published {reading[field]}")


UNITS = {"s": 1000, "ms": 1, "kJ": 1000, "J": 1, "mJ": 0.001, "W": 1, "mW": 0.001, "MB": 1, "GB": 1000, "%": 1, "tokens/s": 1}


def amount(text):
    """A number with its unit, in ms, J, W or MB."""
    value, unit = text.strip().split("\u00a0")
    return float(value.replace(",", "")) * UNITS[unit]


def card_is_published(card, metrics):
    """Every row of a model's card against the published metrics, to what its digits show."""
    def of(field):
        return [m[field] for m in metrics if m[field] is not None]
    times, joules = of("inference_time_ms"), of("energy_consumed_j")
    cut = statistics.quantiles(times, n=100, method="inclusive") if len(times) > 1 else times * 99
    median, p95 = card["Median, p95"].split(", ")
    for row, shown, right in (
            ("Inference time", card["Inference time"], statistics.fmean(times)), ("median", median, statistics.median(times)), ("p95", p95, cut[94]),
            ("Speed", card["Speed"], statistics.fmean(of("tokens_per_second"))), ("Memory", card["Memory"], statistics.fmean(of("memory_used_mb"))),
            ("CPU", card["CPU"], statistics.fmean(of("cpu_percent_avg"))), ("Power", card["Power"], sum(joules) / sum(times) * 1000),
            ("Energy, an analysis", card["Energy, an analysis"], statistics.fmean(joules)), ("Energy, total", card["Energy, total"], sum(joules))):
        check(abs(amount(shown) - right) <= 0.06 + abs(right) * 0.01, f"{row}: the card has {shown!r}, published {right} ({len(metrics)} inferences)")


def shows_what_was_published(folder):
    llm = ["--enable-llm", "--llm-model", lab.MODEL, "--llm-inference-interval", "2", "--llm-max-new-tokens", "40"] if lab.has_model() else []
    p, url, port = run("--devices", "3", "--interval", "0.5-1", "--duration", "5m", *llm,
                             "--metrics-dir", os.path.join(folder, "metrics"), TMPDIR=folder)
    sub = lab.Subscriber(port, ["iot/#"])
    view = chrome.open(url)
    view.live()
    view.wait(lambda: len(view.devices()) == 3, "three devices")
    compared = set()

    def telemetry():
        rows = view.devices()  # first the screen, then what was published: what is shown must have come before
        seen = {(m["device_id"], m["seq"]): m["data"] for _, m in sub.json("iot/telemetry/")}
        for id_, row in rows.items():
            if row["Messages"] in ("0", "–"):
                continue
            key = (id_, int(number(row["Messages"])))
            if key in seen:  # the first ones went out before the subscriber was there
                row_is_published(row, seen[key], f"message {key[1]} of {id_}")
                compared.add(key)
        return len(compared) >= 30
    view.wait(telemetry, "30 messages compared")
    check({r["name"] for r in view.devices().values()} == {f"edge-device-0{i}" for i in (1, 2, 3)}, "names")
    check({r["Status"] for r in view.devices().values()} == {"onlinealarm"}, f"status {view.devices()}")  # the tag is there, hidden
    check("broker 127.0.0.1:" + str(port) in view.text("#broker-text"), view.text("#broker-text"))

    # The values behind the chart were all published.
    view.page.click("#telemetry-plot summary")
    rows = view.wait(lambda: view.js("""() => { const rows = [...document.querySelectorAll('#telemetry-plot tbody tr')].map((tr) => [...tr.cells].map((c) => c.textContent));
        return rows.length >= 20 && rows; }"""), "the chart's values as a table", 30)
    names = {r["name"]: id_ for id_, r in view.devices().items()}
    published = {}
    for _, m in sub.json("iot/telemetry/"):
        published.setdefault(m["device_id"], set()).add(m["data"]["temp"])
    in_chart = sum(any(abs(number(value) - t) <= 0.05 + 1e-9 for t in published[names[name]]) for _, name, value in rows)
    check(in_chart >= len(rows) - 6, f"{len(rows) - in_chart} of {len(rows)} values of the chart were never published")

    if llm:
        pieces = {}

        def writes():
            for id_, text, writing in view.analyses():
                if writing and text:
                    pieces.setdefault(id_, []).append(text)
            return len(sub.json("iot/analysis/")) >= 6 and any(len(set(v)) >= 3 for v in pieces.values())
        view.wait(writes, "analyses being written word by word", lab.PATIENCE * 2)
        said = {}
        for _, a in sub.json("iot/analysis/"):
            said.setdefault(a["device_id"], []).append(a["analysis"])
        newest = {id_: texts[-1] for id_, texts in said.items()}
        view.wait(lambda: all([id_, text.strip(), False] in [[i, t.strip(), w] for i, t, w in view.analyses()] for id_, text in newest.items()),
                  "the newest analysis of each device is on the screen", 10)
        shown = [(i, t.strip()) for i, t, w in view.analyses() if not w]
        said = [(a["device_id"], a["analysis"].strip()) for _, a in sub.json("iot/analysis/")]
        check(sum(s not in said for s in shown) <= 2, f"shown and never published: {[s for s in shown if s not in said][:2]}")  # before the subscriber
        unfinished = [t for texts in pieces.values() for t in texts]
        # The only one that was seen growing may not have come yet.
        view.wait(lambda: any(a["analysis"].strip().startswith(t.strip()) and a["analysis"].strip() != t.strip()
                              for t in unfinished for _, a in sub.json("iot/analysis/")), "what was being written is the beginning of what came", 30)
        model = view.wait(lambda: (view.models() or [None])[0], "a model's card")
        check(model["name"] == lab.MODEL, f"{model}")

        def energy():
            card, metrics = view.models()[0], [m for t, m in sub.json("iot/metrics/") if not t.endswith("/summary")]
            n = int(number(card["note"].split()[0]))
            before = n - len(metrics)  # inferences from before the subscriber; or some that it has and the screen hasn't yet
            if before != 0:
                return False
            card_is_published(card, metrics)
            return True
        view.wait(energy, "the model's card equals the metrics", 60)
    close(view)
    sub.close()
    p.signal(15)
    check(p.end() == 0, f"exit code: {p.err.all[-3:]}")
    return None if llm else "skipped: no model: the rest is ok"


HOSTILE_ID = "<img src=x onerror=alert(1)>"
HOSTILE = "<img src=x onerror=\"alert('x')\"><script>alert(2)</script><svg onload=alert(3)> </p>&lt;b&gt; {{7*7}} \u202e javascript:alert(4) 'quotes\" "


def takes_everything_as_text(folder):
    """Another client on the broker says what it likes."""
    broker = lab.Broker(folder)
    p, url = watch(folder, broker)
    view = chrome.open(url)
    view.live()
    images = view.js("() => document.querySelectorAll('img, script, svg, iframe').length")
    reading = {"co": 0.0051, "humidity": 48.5, "light": True, "lpg": 0.0078, "motion": False, "smoke": 0.0204, "temp": 21.3}

    def say(id_, n):
        telemetry = {"data": reading, "device_id": id_, "ts": 1696694400 + n, "seq": n}
        for topic, payload in (
            (f"iot/status/{id_}", "online"),
            (f"iot/telemetry/{id_}", telemetry),
            (f"iot/analysis/{id_}", {"device_id": id_, "timestamp": "2026-11-25T04:05:41.094694+00:00", "analysis": HOSTILE, "telemetry": telemetry}),
            (f"iot/metrics/{id_}", {"timestamp": "2026-11-25T04:05:41.094694+00:00", "device_id": id_, "model_name": HOSTILE, "inference_time_seconds": 1.2,
                                    "inference_time_ms": 1200.0, "memory_used_mb": 12.5, "memory_total_mb": 100.0, "cpu_percent_avg": 80.0,
                                    "cpu_percent_samples": 3, "energy_consumed_mj": 15600.0, "energy_consumed_j": 15.6, "compute_device": "cpu",
                                    "prompt_length": 10, "response_length": 10, "tokens_per_second": 33.3, "energy_source": "<b>estimate</b>"}),
            (f"iot/anomaly/{id_}", {"device_id": id_, "timestamp": "2026-11-25T04:05:41.094694+00:00", "verdict": "anomaly", "severity": 8,
                                    "fields": ["<i>temp</i>"], "reason": HOSTILE, "source": "threshold"}),
            (f"iot/telemetry/{id_}", "not json <script>alert(5)</script>"),
        ):
            broker.publish(topic, payload.encode() if isinstance(payload, str) else json.dumps(payload).encode())
    for n in (1, 2):
        say(HOSTILE_ID, n)
        say("plain", n)
    view.wait(lambda: HOSTILE_ID in view.devices() and view.devices()[HOSTILE_ID]["Messages"] == "2", "the hostile device")
    row_is_published(view.devices()[HOSTILE_ID], reading, "the hostile device")
    view.wait(lambda: [HOSTILE_ID, HOSTILE, False] in view.analyses(), f"the hostile analysis as text: {view.analyses()[:1]}", 10)
    view.wait(lambda: HOSTILE.strip() in (view.text("#anomaly-list") or ""), f"the hostile reason as text: {view.text('#anomaly-list')}", 10)
    view.wait(lambda: any(m["name"].strip() == HOSTILE.strip() for m in view.models()), f"the hostile model's name as text {view.models()}", 10)
    check("severity 8" in view.text("#anomaly-list"), view.text("#anomaly-list"))
    # In the detail view too, by its own link; and a link from outside that names a device which isn't there.
    view.page.click(f"table.devices tr[data-id='{HOSTILE_ID}'] .device-link")
    view.wait(lambda: view.text("#detail-title") == HOSTILE_ID, "the hostile device's page", 10)
    view.wait(lambda: HOSTILE.strip() in (view.text("#detail") or ""), "its analysis", 10)
    view.page.goto(url + "#/device/" + "%3Cscript%3Ealert(6)%3C/script%3E%zz")
    view.wait(lambda: "script" in (view.text("#detail-title") or ""), "a device that isn't there", 10)
    view.page.wait_for_timeout(500)
    check(view.js("() => document.querySelectorAll('img, script, svg, iframe').length") == images, "markup came into the page")
    check(len(view.requests) > 5 and all(r.startswith((url, "data:")) for r in view.requests), "requests")
    close(view)


def says_when_it_is_lost(folder):
    """The server goes and comes: the page says so, and goes on by itself with what happened meanwhile."""
    broker = lab.Broker(folder)
    port = str(lab.free_port())
    p, url = watch(folder, broker, port)
    view = chrome.open(url)
    view.live()
    p.signal(9)
    view.wait(lambda: view.text("#connection-text") == "reconnecting", "the loss", 10)
    view.wait(lambda: re.fullmatch(r"stale since \d\d:\d\d:\d\d", view.text("#connection-text")), "the loss goes on", 30)
    p, url = watch(folder, broker, port)
    view.wait(lambda: view.text("#connection-text") == "live", "live again", 30)
    broker.publish("iot/status/later", b"online")
    view.wait(lambda: view.devices().get("later", {}).get("name"), "a device that came later", 20)
    broker.kill()
    view.wait(lambda: "not connected" in view.text("#broker-text"), f"the broker's loss: {view.text('#broker-text')}", 30)
    broker.start()
    view.wait(lambda: "not connected" not in view.text("#broker-text"), "the broker again", 60)
    close(view, "Failed to load resource")  # what the browser says of a lost connection


def wants_its_token(folder):
    """With a token: nothing without it, all of the page and its stream with it, and it does not stay in the address."""
    broker = lab.Broker(folder)
    p, url = watch(folder, broker, DASHBOARD_TOKEN="a-token-of-ours")
    stranger = chrome.open(url)
    check("live" not in (stranger.js("() => document.body.textContent")), "a stranger sees the page")
    check(stranger.js("async (u) => (await fetch(u)).status", "/api/state") == 401, "a stranger gets the state")
    close(stranger, "401")
    view = chrome.open(url + "?token=a-token-of-ours")
    view.live()
    check(view.js("() => location.href") == url, f"{view.js('() => location.href')}")
    view.page.reload()
    view.live()
    close(view)


def can_be_used_by_everyone(folder):
    p, url, _ = run("--devices", "3", "--interval", "0.3-0.5", "--duration", "5m", TMPDIR=folder)
    grounds = []
    for scheme in ("light", "dark"):
        for width in (1440, 360):
            view = chrome.open(url, width=width, scheme=scheme)
            view.live()
            view.wait(lambda: len(view.devices()) == 3, "three devices")
            id_ = next(iter(view.devices()))
            for where in ("", "#/device/" + id_.replace(":", "%3A")):
                view.page.goto(url + where)
                view.live()
                view.page.wait_for_timeout(300)
                check(view.overflow() <= 0, f"{width} px, {where or 'overview'}: {view.overflow()} px too wide")
                found = view.axe()
                check(not found, f"{scheme}, {width} px, {where or 'overview'}: {found}")
            grounds.append(view.js("() => getComputedStyle(document.body).backgroundColor"))
            close(view)
    check(grounds[0] == grounds[1] != grounds[2] == grounds[3], f"light and dark: {grounds}")

    # The theme is chosen by hand, and remembered.
    view = chrome.open(url, scheme="light")
    view.live()
    check(view.text("#theme") == "Theme: system", view.text("#theme"))
    view.page.click("#theme")
    view.page.click("#theme")
    view.page.reload()
    view.live()
    check(view.text("#theme") == "Theme: dark" and view.js("() => getComputedStyle(document.body).backgroundColor") == grounds[2], "the theme that was chosen")

    # By keyboard alone: the skip link first, every stop visible, into a device and back to where one was.
    active = "() => document.activeElement"
    view.page.keyboard.press("Tab")
    check(view.js("() => document.activeElement.className") == "skip", "the skip link is first")
    view.page.keyboard.press("Enter")
    check(view.js("() => document.activeElement.id") == "main" and not view.js("() => location.hash"), "the skip link leads to the content")
    view.page.keyboard.press("/")
    check(view.js("() => document.activeElement.id") == "device-search", "'/' leads to the search")
    view.page.keyboard.type("device-02")
    view.wait(lambda: [r["name"] for r in view.devices().values()] == ["edge-device-02"], "the search", 10)
    for _ in range(40):
        view.page.keyboard.press("Tab")
        check(view.js("() => { const s = getComputedStyle(document.activeElement); return document.activeElement !== document.body && s.outlineStyle !== 'none'; }"),
              f"the focus can be seen on {view.js(active + '.outerHTML.slice(0, 80)')}")
        if view.js("() => document.activeElement.classList.contains('device-link')"):
            break
    view.page.keyboard.press("Enter")
    view.wait(lambda: view.text("#detail-title") == "edge-device-02", "the device", 10)
    check(view.js("() => document.activeElement.id") == "detail-title", "the focus is on the device's name")
    check(view.js("() => document.title") == "edge-device-02 – wattle", "the title")
    view.page.keyboard.press("Escape")
    view.wait(lambda: view.js("() => document.getElementById('detail').hidden && document.activeElement.classList.contains('device-link')"), "back where one was", 10)
    view.page.go_back()
    view.wait(lambda: view.text("#detail-title") == "edge-device-02", "the browser's back button", 10)
    view.page.go_forward()
    view.wait(lambda: view.js("() => !document.getElementById('overview').hidden"), "and forward", 10)
    view.page.fill("#device-search", "")
    view.page.click("th:has-text('Temperature') button")
    temperatures = view.wait(lambda: view.js("() => document.querySelector('th[aria-sort=descending]')?.textContent.startsWith('Temperature')")
                             and [number(r["Temperature"]) for r in view.devices().values()], "sorted by temperature", 10)
    check(len(temperatures) == 3, f"{temperatures}")
    # A time range is a radio group, and a chart has words.
    view.page.focus("#telemetry-range input:checked")
    view.page.keyboard.press("ArrowRight")
    check(view.js("() => document.activeElement.value") == "900", "the arrow keys choose the time range")
    view.wait(lambda: re.search(r"Temperature, °C.*: edge-device-01 \d", view.js("() => document.querySelector('#telemetry-plot canvas').getAttribute('aria-label')")),
              "the chart in words", 15)
    close(view)


def stays_smooth_with_a_thousand(folder):
    p, url, _ = run("--devices", "1000", "--interval", "1", "--duration", "5m", TMPDIR=folder)
    view = chrome.open(url)
    view.live()
    view.wait(lambda: view.counters()["Devices online"] == "1,000", "a thousand devices", lab.PATIENCE)
    view.page.wait_for_timeout(3000)
    heap = view.heap()
    before, began = number(view.counters()["Telemetry"]), time.monotonic()
    view.js("() => { seen.long.length = 0; seen.frames = 0; }")
    view.page.wait_for_timeout(20000)
    seconds = time.monotonic() - began
    long, frames = view.js("() => [seen.long, seen.frames]")
    rate = (number(view.counters()["Telemetry"]) - before) / seconds
    grown = (view.heap() - heap) / 1e6
    median = statistics.median(long) if long else 0
    words = (f"{rate:.0f} messages/s, {frames / seconds:.0f} frames/s, {len(long)} tasks over 50 ms (median {median:.0f} ms, longest {max(long, default=0):.0f} ms), "
             f"heap {heap / 1e6:.1f} MB, grown by {grown:.1f} MB")
    check(rate > 900, "the fleet is slower than the test means: " + words)
    check(len(view.devices()) == 50, "fifty rows are in the page")
    check(median < 200 and sum(long) < 0.3 * seconds * 1000 and frames / seconds > 15, words)
    check(grown < 8, words)
    # The one among the thousand is found.
    view.page.fill("#device-search", "device-777")
    view.wait(lambda: [r["name"] for r in view.devices().values()] == ["edge-device-777"], "device 777", 10)
    view.page.fill("#device-search", "")
    view.page.click("#page-next")
    view.wait(lambda: view.text("#page-text") == "51–100 of 1,000", view.text("#page-text"), 10)
    close(view)
    return "ok: " + words


def failing(test):
    """What playwright could not do is a failure of the test, and not of the machinery."""
    def tried(folder):
        from playwright.sync_api import Error
        try:
            return test(folder)
        except Error as e:
            raise AssertionError(str(e)) from None
    tried.__name__ = test.__name__
    return tried


if __name__ == "__main__":
    browser.with_playwright()
    with browser.Browser() as chrome:
        lab.main(*map(failing, (shows_what_was_published, takes_everything_as_text, says_when_it_is_lost, wants_its_token, can_be_used_by_everyone,
                                stays_smooth_with_a_thousand)))
