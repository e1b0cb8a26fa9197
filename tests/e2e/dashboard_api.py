# SPDX-License-Identifier: MIT
"""The dashboard's server: what its JSON says equals what an outside subscriber saw; events; history; tokens; Prometheus."""
import http.client
import json
import math
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

import lab
from lab import check

FIELDS = ["temp", "humidity", "co", "lpg", "smoke", "light", "motion"]


def url_of(program, where):
    line = (program.err if where == "err" else program.out).wait(lambda s: s.startswith("Dashboard: "), "the address")
    return line.split(" ", 1)[1]


def ask(url, path, method="GET", headers=None):
    u = urllib.parse.urlsplit(url)
    c = http.client.HTTPConnection(u.hostname, u.port, timeout=lab.PATIENCE)
    c.request(method, path, headers=headers or {})
    r = c.getresponse()
    body = r.read()
    c.close()
    return r.status, dict(r.getheaders()), body


def get(url, path, **headers):
    status, _, body = ask(url, path, headers=headers)
    check(status == 200, f"{path}: {status} {body[:200]}")
    return json.loads(body)


class Events:
    """The event stream: (kind, value) as they come, on a thread; chunked transfer undone by http.client."""

    def __init__(self, url, headers=None):
        u = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(u.hostname, u.port, timeout=lab.PATIENCE)
        self.connection.request("GET", "/api/events", headers=headers or {})
        self.response = self.connection.getresponse()
        check(self.response.status == 200 and self.response.headers["Content-Type"].startswith("text/event-stream"), f"{self.response.status}")
        self.all, self.times, self.ended = [], [], False
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        kind, data = None, []
        try:
            for raw in self.response:
                line = raw.decode().rstrip("\n")
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: "):
                    data.append(line[6:])
                elif line == "" and data:
                    self.times.append(time.monotonic())
                    self.all.append((kind, json.loads("\n".join(data))))
                    kind, data = None, []
        except (OSError, http.client.HTTPException):
            pass
        self.ended = True

    def of(self, kind):
        return [v for k, v in list(self.all) if k == kind]


def same_reading(shown, sent):
    return all(shown[f] == sent["data"][f] and isinstance(shown[f], bool) == isinstance(sent["data"][f], bool) for f in FIELDS)


def telemetry(i, seq, temp=20.5):
    return json.dumps({"data": {"co": 0.004, "humidity": 51.0, "light": False, "lpg": 0.007, "motion": True, "smoke": 0.02, "temp": temp},
                       "device_id": i, "ts": 1594512094.4, "seq": seq}).encode()


def run_equals_an_outside_subscriber(folder):
    if not lab.has_model():
        return "skipped: no model"
    broker = lab.Broker(folder)
    outside = lab.Subscriber(broker.port, ["iot/#"])
    db = os.path.join(folder, "r.db")
    p = lab.Program("run", "--devices", "3", "--rate", "4", "--enable-llm", "--llm-model", lab.MODEL, "--llm-devices", "1,2", "--llm-inference-interval", "2",
                    "--llm-max-new-tokens", "16", "--dashboard", "--dashboard-port", "0", "--store", db, "--json", **broker.settings())
    url = url_of(p, "err")
    events = Events(url)
    lab.wait_for(lambda: len(outside.messages("iot/analysis/")) >= 4, "four analyses")
    lab.wait_for(lambda: events.of("analysis"), "an analysis as an event")
    # What the state says is between what was seen before and after it was asked for.
    before = {t: len(outside.messages(f"iot/{t}/")) for t in ("telemetry", "analysis")}
    state = get(url, "/api/state")
    lab.wait_for(lambda: len(outside.messages("iot/telemetry/")) > before["telemetry"] + 8, "more telemetry")
    after = {t: len(outside.messages(f"iot/{t}/")) for t in ("telemetry", "analysis")}
    check(before["telemetry"] - 6 <= state["counters"]["telemetry"] <= after["telemetry"], f"{before} {state['counters']} {after}")
    check(state["source"] == "run" and state["broker"]["connected"] and state["broker"]["address"] == f"127.0.0.1:{broker.port}", f"{state['broker']}")
    check([d["name"] for d in state["devices"]] == ["edge-device-01", "edge-device-02", "edge-device-03"], f"{state['devices']}")
    check(all(d["status"] == "online" for d in state["devices"]), "online")
    check(state["devices"][2]["model"] is None and state["devices"][0]["model"] == lab.MODEL, "models of devices")
    sent = {(m["device_id"], m["seq"]): m for _, m in outside.json("iot/telemetry/")}
    for d in state["devices"]:
        m = sent[d["id"], d["telemetry"]["seq"]]
        check(same_reading(d["telemetry"], m) and d["telemetry"]["ts"] == m["ts"], f"{d} {m}")
        full = get(url, "/api/device?id=" + urllib.parse.quote(d["id"]))
        texts = [m["analysis"] for t, m in outside.json("iot/analysis/") if m["device_id"] == d["id"]]
        check([a["text"] for a in full["analyses"]][: len(texts)] == texts[: len(full["analyses"])], f"analyses of {d['name']}")
        measured = [m for t, m in outside.json("iot/metrics/") if t.count("/") == 2 and m["device_id"] == d["id"]]
        check(full["inferences"] == measured[: len(full["inferences"])], f"metrics of {d['name']}")
        history = get(url, f"/api/history?id={urllib.parse.quote(d['id'])}&field=temp,light&from=0&points=5000")
        temps = [m["data"]["temp"] for t, m in outside.json("iot/telemetry/") if m["device_id"] == d["id"]]
        seen = [v for _, v in history["series"]["temp"]]
        check(seen == temps[: len(seen)] and len(seen) >= 3, f"history of {d['name']}: {history['source']} {len(seen)}")
    # The end: goodbye on the stream, the port is free.
    p.signal(signal.SIGTERM)
    check(p.end() == 0, f"exit code; {p.err.all[-5:]}")
    lab.wait_for(lambda: events.ended, "the stream ends")
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", urllib.parse.urlsplit(url).port))
    total = json.loads(p.text())
    check(total["dropped"] == 0, "nothing was dropped")
    # Tokens make up the analyses, in order.
    for d in state["devices"][:2]:
        streams = []
        for kind, v in events.all:
            if kind == "token" and v["device_id"] == d["id"]:
                if v["start"]:
                    streams.append("")
                if streams:
                    streams[-1] += v["text"]
        whole = [m["analysis"] for t, m in outside.json("iot/analysis/") if m["device_id"] == d["id"]]
        check(streams and all(s in whole or any(w.startswith(s) for w in whole) for s in streams[:-1]), f"{streams} {whole}")
    # The store alone, through the other command, says the same of that time.
    q = lab.Program("dashboard", "--dashboard-port", "0", "--store", db, **broker.settings())
    url = url_of(q, "out")
    for d in state["devices"]:
        h = get(url, f"/api/history?id={urllib.parse.quote(d['id'])}&field=temp&from=0&points=5000")
        temps = [m["data"]["temp"] for t, m in outside.json("iot/telemetry/") if m["device_id"] == d["id"]]
        check(h["source"] == "sqlite" and [v for _, v in h["series"]["temp"]] == temps, f"{h['source']}: {len(h['series']['temp'])} of {len(temps)}")
    h = get(url, f"/api/history?model={urllib.parse.quote(lab.MODEL)}&field=inference_time_ms,power_w&from=0")
    measured = [m["inference_time_ms"] for t, m in outside.json("iot/metrics/") if t.count("/") == 2]
    check([v for _, v in h["series"]["inference_time_ms"]] == measured, f"{h} {measured}")
    q.signal(signal.SIGINT)
    check(q.end(10) == 130, "exit code of dashboard")
    broker.kill()


def any_broker_and_hostile_payloads(folder):
    broker = lab.Broker(folder)
    broker.publish("iot/status/gone", b"offline", retain=True)
    p = lab.Program("dashboard", "--dashboard-port", "0", **broker.settings())
    url = url_of(p, "out")
    lab.wait_for(lambda: ask(url, "/healthz")[0] == 200, "connected")
    events = Events(url)
    evil = "</script><img src=x onerror=alert(1)>\u2028\"\\"
    rng = random.Random(3)
    bad = [b"", b"\xff\xfe", b"[1]", b"{}", b'{"data":7}', b'{"data":{"temp":1e999}}', b"{" * 5000, b'{"data":' * 3000, b"null",
           bytes(rng.randrange(256) for _ in range(3000))]
    for kind in ("telemetry", "analysis", "metrics", "anomaly", "status"):
        for payload in bad:
            broker.publish(f"iot/{kind}/bad", payload)
    for topic in ("iot/telemetry", "iot/telemetry/", "iot/telemetry/a/b", "iot/x/y", "iot//x", "other/telemetry/x", "iot/telemetry/" + "l" * 200):
        broker.publish(topic, telemetry("x", 1))
    broker.publish("iot/telemetry/" + evil.replace("/", ""), telemetry("x", 1))
    broker.publish("iot/analysis/d1", json.dumps({"device_id": "other", "analysis": evil, "telemetry": {"data": {"temp": 1}}}).encode())
    broker.publish("iot/metrics/d1", json.dumps({"model_name": evil, "inference_time_ms": "x", "energy_consumed_j": -5, "error": None}).encode())
    broker.publish("iot/metrics/d1", json.dumps({"model_name": evil, "inference_time_ms": 2000, "energy_consumed_j": 20, "tokens_per_second": 10,
                                                 "memory_used_mb": 1, "cpu_percent_avg": 50, "energy_source": "rapl", "completion_tokens": 21}).encode())
    broker.publish("iot/anomaly/d1", json.dumps({"device_id": "d1", "verdict": "anomaly", "severity": 7, "fields": ["temp"], "reason": evil, "seq": 2}).encode())
    broker.publish("iot/telemetry/d1", telemetry("d1", 2, 61.25))
    state = lab.wait_for(lambda: (lambda s: s if any(d["id"] == "d1" and d["telemetry"] for d in s["devices"]) else None)(get(url, "/api/state")), "d1")
    d = next(d for d in state["devices"] if d["id"] == "d1")
    check(d["telemetry"]["temp"] == 61.25 and d["telemetry"]["motion"] is True and d["alarm"] is True and d["status"] == "unknown", f"{d}")
    check(d["counts"] == {"telemetry": 1, "analyses": 1, "inferences": 2, "errors": 0, "anomalies": 1}, f"{d['counts']}")
    check(next(x for x in state["devices"] if x["id"] == "gone")["status"] == "offline", "retained status")
    check(any(x["id"] == evil.replace("/", "") for x in state["devices"]), "a hostile id")
    check(not any(len(x["id"]) > 128 or "/" in x["id"] for x in state["devices"]), "ids")
    m = state["models"][0]
    check(m["name"] == evil and m["inferences"] == 2 and m["time_ms"]["avg"] == 2000 and m["power_w"] == 10 and m["joules_total"] == 20, f"{m}")
    check(m["energy_source"] == "rapl" and m["tokens_per_second"] == 10, f"{m}")
    check(state["anomalies"][0]["reason"] == evil and state["anomalies"][0]["severity"] == 7, f"{state['anomalies']}")
    check(state["counters"]["bad"] >= 40, f"{state['counters']}")
    lab.wait_for(lambda: events.of("analysis") and events.of("anomaly"), "events")
    check(events.of("analysis")[0]["text"] == evil and events.of("anomaly")[0]["fields"] == ["temp"], "events as published")
    # The broker goes away and comes back.
    broker.kill()
    lab.wait_for(lambda: ask(url, "/healthz")[0] == 503, "not healthy")
    check(get(url, "/api/state")["broker"]["connected"] is False, "away")
    broker.start()
    lab.wait_for(lambda: ask(url, "/healthz")[0] == 200, "healthy again")
    check(get(url, "/api/state")["broker"]["reconnects"] >= 1, "counted")
    p.signal(signal.SIGTERM)
    check(p.end(10) == 0, "exit code")
    broker.kill()


def asked_wrongly(folder):
    broker = lab.Broker(folder)
    p = lab.Program("dashboard", "--dashboard-port", "0", **broker.settings())
    url = url_of(p, "out")
    cases = {"/api/device": 400, "/api/device?id=none": 404, "/api/device?id=%ff": 400, "/api/history": 400, "/api/history?id=x&field=temp": 404,
             "/api/history?id=x&field=nonsense": 400, "/api/history?id=x&model=y&field=temp": 400, "/api/history?id=x&field=temp&points=1": 400,
             "/api/history?id=x&field=temp&points=1e9": 400, "/api/history?id=x&field=temp&from=nan": 400, "/api/history?id=x&field=temp&from=9&to=1": 400,
             "/api/history?id=x&field=temp&from=1e300": 400, "/api/history?id=x&field=" + ",".join(["temp"] * 9): 400, "/api/history?id=" + "x" * 2000: 400,
             "/api/nothing": 404, "/../etc/passwd": 404, "//": 404, "/api/state?": 200, "/app.js": 200, "/chart.js": 200, "/style.css": 200, "/": 200}
    for path, status in cases.items():
        got, headers, body = ask(url, path)
        check(got == status, f"{path}: {got} {body[:200]}")
        check("script-src 'self'" in headers["Content-Security-Policy"] and headers["X-Content-Type-Options"] == "nosniff", f"{path}: {headers}")
        check(status < 400 or body.count(b"\n") == 1, f"{path}: {body}")
    for method, status in (("HEAD", 200), ("POST", 405), ("PUT", 405), ("DELETE", 405), ("OPTIONS", 405)):
        got, headers, body = ask(url, "/api/state", method)
        check(got == status and (method != "HEAD" or not body), f"{method}: {got}")
    _, headers, page = ask(url, "/")
    check(page.startswith(b"<!doctype html>") and headers["Cache-Control"] == "no-cache", f"{headers}")
    check(ask(url, "/", headers={"If-None-Match": headers["ETag"]})[0] == 304, "not modified")
    check(ask(url, "/", headers={"Host": "evil.example"})[0] == 421, "another host's name")
    p.signal(signal.SIGTERM)
    check(p.end(10) == 0, "exit code")
    broker.kill()


def tokens(folder):
    broker = lab.Broker(folder)
    for args, text in ((["--dashboard-address", "0.0.0.0"], "a token of at least 8 characters is needed"),
                       (["--dashboard-address", "0.0.0.0", "--dashboard-token", "short"], "the token has 5 characters"),
                       (["--dashboard-token-file", "/nonexistent"], "No such file")):
        code, out, err = lab.run("dashboard", "--dashboard-port", "0", *args, **broker.settings())
        check(code in (1, 2) and text in err and err.count("\n") == 1, f"{args}: {code} {err}")
    file = os.path.join(folder, "token")
    with open(file, "w", encoding="ascii") as f:
        f.write("s3cret-enough\n")
    p = lab.Program("dashboard", "--dashboard-port", "0", "--dashboard-address", "0.0.0.0", DASHBOARD_TOKEN_FILE=file, **broker.settings())
    url = url_of(p, "out")
    for path in ("/", "/app.js", "/api/state", "/api/events", "/metrics", "/nothing"):
        check(ask(url, path)[0] == 401, f"{path} without a token")
    check(ask(url, "/healthz")[0] in (200, 503), "health is open")
    check(ask(url, "/api/state", headers={"Authorization": "Bearer wrong-token"})[0] == 401, "a wrong one")
    check(ask(url, "/api/state", headers={"Authorization": "Bearer s3cret-enough"})[0] == 200, "the right one")
    status, headers, _ = ask(url, "/?token=s3cret-enough")
    cookie = headers["Set-Cookie"]
    check(status == 303 and headers["Location"] == "/" and "HttpOnly" in cookie and "SameSite=Strict" in cookie, f"{headers}")
    check(ask(url, "/api/state", headers={"Cookie": cookie.split(";")[0]})[0] == 200, "by cookie")
    check(ask(url, "/api/state", headers={"Cookie": cookie.split(";")[0], "Host": "any.example"})[0] == 200, "by any name, with the token")
    p.signal(signal.SIGTERM)
    check(p.end(10) == 0, "exit code")
    check("s3cret" not in p.text() + "\n".join(p.err.all), "the token is nowhere printed")
    broker.kill()


PARSE = """
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
print(json.dumps([[f.name, f.type, f.unit, [[s.name, s.labels, s.value] for s in f.samples]] for f in text_string_to_metric_families(sys.stdin.read())]))
"""


def find_python(folder):
    """A Python with prometheus_client: the one in WATTLE_PROMETHEUS_PYTHON, or fresh from PyPI; None without."""
    given = os.environ.get("WATTLE_PROMETHEUS_PYTHON")
    if given:
        return given
    made = os.path.join(folder, "venv")
    if subprocess.run([sys.executable, "-m", "venv", made], capture_output=True).returncode:
        return None
    got = subprocess.run([os.path.join(made, "bin", "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "1", "prometheus_client"],
                         capture_output=True, timeout=200)
    return None if got.returncode else os.path.join(made, "bin", "python")


def fill(broker):
    for i in range(3):
        broker.publish(f"iot/status/d{i}", b"online", retain=True)
        for k in range(i + 1):
            broker.publish(f"iot/telemetry/d{i}", telemetry(f"d{i}", k + 1, 20.5 + i))
    broker.publish('iot/telemetry/quote"back\\slash é', telemetry("x", 1))
    for ms in (80, 700, 700, 9000, 1e7):
        broker.publish("iot/metrics/d0", json.dumps({"model_name": 'm"\\\n1', "inference_time_ms": ms, "energy_consumed_j": 1.5, "energy_source": "estimate"}).encode())


def openmetrics_by_the_official_parser(folder):
    python = find_python(folder)
    if not python:
        return "skipped: no prometheus_client"
    broker = lab.Broker(folder)
    p = lab.Program("dashboard", "--dashboard-port", "0", **broker.settings())
    url = url_of(p, "out")
    lab.wait_for(lambda: ask(url, "/healthz")[0] == 200, "connected")
    fill(broker)
    lab.wait_for(lambda: get(url, "/api/state")["counters"]["inferences"] == 5, "five inferences")
    status, headers, body = ask(url, "/metrics")
    check(status == 200 and headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8", f"{headers}")
    check(body.endswith(b"# EOF\n"), "its end")
    parsed = subprocess.run([python, "-c", PARSE], input=body, capture_output=True, timeout=lab.PATIENCE)
    check(parsed.returncode == 0, parsed.stderr.decode()[-1500:])
    families = {name: (kind, unit, samples) for name, kind, unit, samples in json.loads(parsed.stdout)}
    counts = {s[1]["device_id"]: s[2] for s in families["wattle_telemetry_messages"][2]}
    check(counts == {"d0": 1, "d1": 2, "d2": 3, 'quote"back\\slash é': 1}, f"{counts}")
    check({s[1]["device_id"]: s[2] for s in families["wattle_device_up"][2]} == {"d0": 1, "d1": 1, "d2": 1}, "up")
    kind, unit, samples = families["wattle_inference_seconds"]
    check(kind == "histogram" and unit == "seconds", f"{kind} {unit}")
    at = {s[1].get("le", s[0].rsplit("_", 1)[1]): s[2] for s in samples}
    check(at["0.1"] == 1 and at["0.5"] == 1 and at["1.0"] == 3 and at["10.0"] == 4 and at["500.0"] == 4 and at["+Inf"] == 5 and at["count"] == 5, f"{at}")
    check(math.isclose(at["sum"], 10010.48) and samples[0][1]["model"] == 'm"\\\n1', f"{samples}")
    joules = families["wattle_inference_energy_joules"][2][0]
    check(joules[2] == 7.5 and joules[1]["source"] == "estimate", f"{joules}")
    check(families["wattle_temperature_celsius"][2][2][2] == 22.5, "temperature")
    check(families["wattle_process_resident_memory_bytes"][2][0][2] > 1e6, "memory")
    p.signal(signal.SIGTERM)
    check(p.end(10) == 0, "exit code")
    broker.kill()


def scraped_by_prometheus(folder):
    prometheus = lab.find("prometheus")
    broker = lab.Broker(folder)
    p = lab.Program("dashboard", "--dashboard-port", "0", "--dashboard-token", "scrape-me-please", **broker.settings())
    url = url_of(p, "out")
    lab.wait_for(lambda: ask(url, "/healthz")[0] == 200, "connected")
    fill(broker)
    config = os.path.join(folder, "prometheus.yml")
    port = lab.free_port()
    with open(config, "w", encoding="utf-8") as f:
        f.write("global: {scrape_interval: 1s}\nscrape_configs:\n  - job_name: wattle\n    authorization: {credentials: scrape-me-please}\n"
                f"    static_configs: [{{targets: ['{urllib.parse.urlsplit(url).netloc}']}}]\n")
    server = subprocess.Popen([prometheus, f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address=127.0.0.1:{port}"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lab.started.append(server)
    there = f"http://127.0.0.1:{port}/"

    def value(query):
        try:
            got = get(there, "/api/v1/query?query=" + urllib.parse.quote(query))
        except (OSError, AssertionError):
            return None
        return {tuple(sorted(r["metric"].items())): float(r["value"][1]) for r in got["data"]["result"]}
    lab.wait_for(lambda: (value("up") or {}).values() and list(value("up").values()) == [1.0], "the target is up")
    lab.wait_for(lambda: list((value("sum(wattle_telemetry_messages_total)") or {}).values()) == [7.0], "seven messages")
    check(list(value('wattle_telemetry_messages_total{device_id="d2"}').values()) == [3.0], "of one device")
    check(list(value("histogram_quantile(0.5, wattle_inference_seconds_bucket)").values())[0] <= 1, "a quantile")
    check(list(value("wattle_inference_energy_joules_total").values()) == [7.5], "joules")
    server.terminate()
    p.signal(signal.SIGTERM)
    check(p.end(10) == 0, "exit code")
    broker.kill()


def slow_watchers_hold_up_nobody(folder):
    """300 devices at 2 messages a second, with watchers that never read: what is sent stays on time, ticks stay at four a second."""
    broker = lab.Broker(folder)
    p = lab.Program("run", "--devices", "300", "--rate", "2", "--dashboard", "--dashboard-port", "0", "--duration", "8s", "--json", **broker.settings())
    url = url_of(p, "err")
    u = urllib.parse.urlsplit(url)
    asleep = []
    for _ in range(20):
        s = socket.create_connection((u.hostname, u.port))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        asleep.append(s)
    events = Events(url)
    check(p.end() == 0, f"exit code; {p.err.all[-5:]}")
    total = json.loads(p.text())
    check(total["telemetry_sent"] >= 300 * 2 * 8 * 0.95 and total["dropped"] == 0, f"{total['telemetry_sent']} of 4800")
    lab.wait_for(lambda: events.ended, "the stream ends")
    ticks = [t for t, (kind, _) in zip(events.times, events.all) if kind == "tick"]
    seconds = ticks[-1] - ticks[0]
    check(len(ticks) <= 4 * (seconds + 1) + 1, f"{len(ticks)} ticks in {seconds:.1f} s")
    check(len(ticks) >= 1.5 * seconds, f"{len(ticks)} ticks in {seconds:.1f} s")
    last = events.of("tick")[-1]
    check(last["counters"]["telemetry"] >= 4000 and last["counters"]["dropped"] == 0, f"{last['counters']}")
    check(len({d["id"] for t in events.of("tick") for d in t["devices"]}) == 300, "all devices were shown")
    for s in asleep:
        s.close()
    broker.kill()


if __name__ == "__main__":
    lab.find("mosquitto"), lab.find("mosquitto_sub")
    tests = [run_equals_an_outside_subscriber, any_broker_and_hostile_payloads, asked_wrongly, tokens, openmetrics_by_the_official_parser, scraped_by_prometheus,
             slow_watchers_hold_up_nobody]
    lab.main(*[t for t in tests if len(sys.argv) < 2 or t.__name__ in sys.argv[1:]])
