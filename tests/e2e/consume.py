# SPDX-License-Identifier: MIT
"""wattle consume: prints what is on the broker, whatever was published there."""
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys

import lab
from lab import check

PAYLOADS = os.path.join(lab.SOURCE, "tests", "cases", "mqtt", "payloads.jsonl")
GOOD = (b'{"data":{"co":0.0049,"humidity":51.0,"light":false,"lpg":0.0077,"motion":false,"smoke":0.0204,"temp":22.7},'
        b'"device_id":"00:0f:00:70:91:0a","ts":1594512094.3859746,"seq":7}')


def subscribed(broker, p, topic):
    """Publishes until it is seen: then what comes next will be."""
    def tried():
        broker.publish(topic, b"x")
        return any(topic in s for s in list(p.out.all))
    lab.wait_for(tried, "consume is subscribed")


def bad_payloads(folder):
    broker = lab.Broker(folder)
    db = os.path.join(folder, "c.db")
    p = lab.Program("consume", "--store", db, **broker.settings())
    subscribed(broker, p, "iot/other")
    cases = [json.loads(line) for line in open(PAYLOADS, encoding="utf-8")]
    for case in cases:
        broker.publish(case["topic"], bytes.fromhex(case["payload_hex"]))
        broker.publish(case["topic"], GOOD)
        p.out.wait(lambda s: s.endswith(GOOD.decode()), f"{case['case']}: the next good message")
    broker.publish("iot/other", b"\x1b[31mred\x07 \xff\n\xc2\x9b")
    line = p.out.wait(lambda s: "red" in s, "escapes")
    check(line == r"iot/other \x1b[31mred\x07 \xff\x0a\xc2\x9b", line)
    broker.publish("iot/metrics/x", b"[1]")
    p.out.wait(lambda s: s.startswith("iot/metrics/x bad ("), "a metric that is no object")
    p.signal(signal.SIGINT)
    check(p.end(10) == 130, "exit code")
    bad = [s for s in p.out.all if " bad (" in s]
    check(len(bad) == len(cases) + 1, f"{bad}")
    check(p.err.all[-1].endswith(f", {len(cases) + 1} bad"), p.err.all[-1])
    check("\\xff\\xfe" in "".join(bad) and "\udcff" not in p.text(), "raw bytes are escaped")
    n = sqlite3.connect(db).execute("select count(*) from messages").fetchone()[0]
    check(n == len(p.out.all), f"{n} stored, {len(p.out.all)} printed")
    broker.kill()


def json_lines_and_count(folder):
    broker = lab.Broker(folder)
    broker.publish("iot/status/x", b"online", retain=True)
    p = lab.Program("consume", "--json", "--count", "4", "--topic", "iot/#", **broker.settings())
    p.out.wait(lambda s: "iot/status/x" in s, "the retained one")
    broker.publish("iot/telemetry/00:0f:00:70:91:0a", GOOD)
    broker.publish("iot/telemetry/00:0f:00:70:91:0a", b"\xff")
    broker.publish("iot/analysis/x", b"nonsense")
    check(p.end(10) == 0, "exit code")
    lines = [json.loads(s) for s in p.out.all]
    check(lines[0]["payload"] == "online" and lines[0]["retained"] is True, f"{lines[0]}")
    check(lines[1]["payload"] == json.loads(GOOD) and "error" not in lines[1], f"{lines[1]}")
    check(lines[2]["payload_hex"] == "ff" and lines[2]["error"], f"{lines[2]}")
    check(lines[3]["payload"] == "nonsense" and lines[3]["error"], f"{lines[3]}")
    broker.kill()


def comes_back(folder):
    broker = lab.Broker(folder)
    p = lab.Program("consume", **broker.settings())
    subscribed(broker, p, "iot/first")
    broker.kill()
    p.err.wait(lambda s: "trying again" in s, "the outage is said")
    broker.start()
    subscribed(broker, p, "iot/second")
    p.signal(signal.SIGTERM)
    check(p.end(10) == 0, "exit code")
    broker.kill()


def ends_with_its_reader_and_its_time(folder):
    broker = lab.Broker(folder)
    broker.publish("iot/kept", b"x", retain=True)
    ours, its = os.pipe()
    os.close(ours)
    p = subprocess.run([lab.WATTLE, "consume", "--jsonl", os.path.join(folder, "kept.jsonl")], env=lab.environment(**broker.settings()), stdout=its,
                       stderr=subprocess.PIPE, timeout=lab.PATIENCE)
    os.close(its)
    check(p.returncode == -signal.SIGPIPE and b"standard output" not in p.stderr and b"pipe" not in p.stderr, f"a closed pipe: {p.returncode} {p.stderr}")
    check(json.load(open(os.path.join(folder, "kept.jsonl"), encoding="utf-8"))["topic"] == "iot/kept", "what came is kept")
    code, out, err = lab.run("consume", "--duration", "200ms", "--topic", "none/such", **broker.settings())
    check(code == 0 and not out and err.strip().endswith("0 messages, 0 bad"), f"{code} {err}")
    for args in (["--topic", "a/#/b"], ["--topic", ""], ["--count", "0"]):
        code, out, err = lab.run("consume", *args, **broker.settings())
        check(code == 2 and err.count("\n") == 1, f"{args}: {code} {err}")
    broker.kill()


def says_that_nobody_was_there(folder):
    port = lab.free_port()
    code, out, err = lab.run("consume", "--duration", "300ms", MQTT_BROKER="127.0.0.1", MQTT_PORT=str(port))
    last = err.strip().splitlines()[-1]
    check(code == 1 and not out and last == f"wattle consume: broker 127.0.0.1:{port} was never reached: Connection refused", f"{code} {err}")


def ends_when_it_is_refused(folder):
    """mosquitto 2.0 grants every subscription and keeps the messages back: so a broker of ten lines."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        p = lab.Program("consume", "--topic", "secret/#", MQTT_BROKER="127.0.0.1", MQTT_PORT=str(port))
        listener.settimeout(lab.PATIENCE)
        with listener.accept()[0] as s:
            packet = s.recv(4096)
            check(packet[0] >> 4 == 1 and packet[8] == 5, "CONNECT of MQTT 5")
            s.sendall(bytes([0x20, 2, 0, 1]))  # a 3.1.1 broker: that version is not known here
        with listener.accept()[0] as s:
            s.settimeout(lab.PATIENCE)
            packet = s.recv(4096)
            check(packet[0] >> 4 == 1 and packet[8] == 4, "CONNECT of MQTT 3.1.1")
            s.sendall(bytes([0x20, 2, 0, 0]))
            packet = s.recv(4096)
            check(packet[0] == 0x82 and b"secret/#" in packet, f"SUBSCRIBE: {packet}")
            s.sendall(bytes([0x90, 3, *packet[2:4], 0x80]))
            check(p.end(10) == 1 and not p.out.all, f"{p.err.all}")
    check(p.err.all[-1] == f"wattle consume: broker 127.0.0.1:{port} refuses the subscription to 'secret/#': it gives no reason", f"{p.err.all}")
    check(any("does not speak MQTT 5" in s for s in p.err.all), "the version is said")


def keeps_files(folder):
    """JSON lines and CSV, appended to; what a spreadsheet would compute is a text; by device and by time."""
    import csv
    broker = lab.Broker(folder)
    evil = json.dumps({"device_id": "d1", "timestamp": "2026-11-25T10:00:00.5+00:00", "analysis": '=HYPERLINK("http://x"),\n"quoted"', "telemetry": {"seq": 7}})
    metric = json.dumps({"device_id": "d2", "timestamp": "2026-11-25T12:00:00+00:00", "inference_time_ms": -12.5, "error": None})
    for topic, payload in (("iot/telemetry/d1", GOOD), ("iot/analysis/d1", evil.encode()), ("iot/metrics/d2", metric.encode()), ("iot/status/d1", b"online"),
                           ("iot/metrics/d2/summary", b"{}"), ("other", b"-1+1")):
        broker.publish(topic, payload, retain=True)
    jsonl, tables = os.path.join(folder, "m.jsonl"), os.path.join(folder, "csv")
    with open(jsonl, "w", encoding="ascii") as f:
        f.write('{"torn":')  # as a kill may leave it
    args = ["consume", "--topic", "#", "--jsonl", jsonl, "--csv", tables]
    for _ in range(2):
        code, out, err = lab.run(*args, "--count", "6", **broker.settings())
        check(code == 0 and len(out.splitlines()) == 6, f"{code} {err}")
    lines = open(jsonl, encoding="utf-8").read().splitlines()
    check(len(lines) == 13 and lines[0] == '{"torn":' and all(json.loads(s)["topic"] for s in lines[1:]), f"{lines}")
    rows = {name: list(csv.DictReader(open(os.path.join(tables, name), newline="", encoding="utf-8"))) for name in sorted(os.listdir(tables))}
    check({n: len(r) for n, r in rows.items()} == {"analysis.csv": 2, "metrics.csv": 2, "other.csv": 6, "telemetry.csv": 2}, f"{rows}")
    check(rows["telemetry.csv"][0]["temp"] == "22.7" and rows["telemetry.csv"][1]["light"] == "false", f"{rows['telemetry.csv']}")
    check(rows["analysis.csv"][0]["analysis"] == "'" + json.loads(evil)["analysis"] and rows["analysis.csv"][0]["seq"] == "7", f"{rows['analysis.csv']}")
    check(rows["metrics.csv"][1]["inference_time_ms"] == "-12.5" and rows["metrics.csv"][0]["error"] == "", f"{rows['metrics.csv']}")
    check(any(r["payload"] == "'-1+1" for r in rows["other.csv"]), f"{rows['other.csv']}")
    for option, count in ((["--device", "d1"], 3), (["--device", "d2, d1"], 5), (["--device", "d"], 0),
                          (["--since", "2026-11-25T10:00:00Z", "--until", "2026-11-25T12:00:01+01:00"], 1), (["--until", "1594512095"], 1), (["--since", "2100-01-01"], 0)):
        code, out, err = lab.run("consume", "--topic", "#", "--duration", "300ms", *option, **broker.settings())
        check(code == 0 and len(out.splitlines()) == count, f"{option}: {code} {out} {err}")
    for option, count, hint in ((["--device", "kitchen"], 0, "--device: no message of the device id 'kitchen'; other ids that came: "), (["--device", "d1,bath,hall"], 3, "'bath'; other ids that came: d2"),
                                (["--device", "d1,d2"], 5, ""), (["--since", "2100-01-01"], 0, "6 messages were of times before --since or after --until, none was taken")):
        code, out, err = lab.run("consume", "--topic", "#", "--duration", "300ms", *option, **broker.settings())
        warnings = [s for s in err.splitlines() if " warning: " in s]
        check(code == 0 and len(out.splitlines()) == count and bool(warnings) == bool(hint) and hint in "".join(warnings), f"{option}: {code} {err}")
        check(not warnings or len(warnings) == option[1].count(",") or "," not in option[1], f"a line each: {warnings}")
        check("kitchen" not in option or ("d1" in warnings[0] and "d2" in warnings[0]), f"{warnings}")
    nowhere = os.path.join(folder, "new", "csv")
    code, _, err = lab.run("consume", "--topic", "none/such", "--duration", "300ms", "--csv", nowhere, **broker.settings())
    check(code == 0 and not os.path.exists(os.path.dirname(nowhere)), f"no folder for no message: {code} {err}")
    for option in (["--since", "yesterday"], ["--until", "2026-02-30x"], ["--csv", "/dev/null/x"], ["--jsonl", folder]):
        code, _, err = lab.run("consume", *option, **broker.settings())
        check(code in (1, 2) and err.count("\n") == 1 and option[1].split("/x")[0] in err, f"{option}: {code} {err}")
    p = lab.Program("consume", "--jsonl", "/dev/full", "--topic", "#", **broker.settings())
    check(p.end(20) == 1 and "/dev/full" in p.err.all[-1], f"{p.err.all}")
    broker.kill()


if __name__ == "__main__":
    lab.find("mosquitto"), lab.find("mosquitto_sub")
    tests = [bad_payloads, json_lines_and_count, comes_back, ends_with_its_reader_and_its_time, says_that_nobody_was_there, ends_when_it_is_refused, keeps_files]
    lab.main(*[t for t in tests if len(sys.argv) < 2 or t.__name__ in sys.argv[1:]])
