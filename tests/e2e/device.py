# SPDX-License-Identifier: MIT
"""wattle device: one device, configured by its environment, against a mosquitto that is not ours to stop."""
import glob
import json
import os
import re
import signal
import subprocess
import sys

import lab
from lab import check

CASES = os.path.join(lab.SOURCE, "tests", "cases")
QUICK = {"TELEMETRY_INTERVAL": "0.05-0.1"}


def sends_and_says_goodbye(folder):
    broker = lab.Broker(folder)
    sub = lab.Subscriber(broker.port, ["iot/#"])
    p = lab.Program("device", **broker.settings(), **QUICK)
    sub.wait("iot/telemetry/00:0f:00:70:91:0a", 5)
    p.out.wait(lambda s: "Sent telemetry #1: " in s and "°C" in s, "the log line")
    check(any("LLM Inference: Disabled" in s for s in p.out.all), "log wording")
    late = lab.Subscriber(broker.port, ["iot/status/#"])
    check(late.wait("iot/status/", 1)[0] == ("iot/status/00:0f:00:70:91:0a", b"online", True), "retained status")
    p.signal(signal.SIGTERM)
    check(p.end(10) == 0, "exit code after SIGTERM")
    sent = sum("Sent telemetry #" in s for s in p.out.all)
    lab.wait_for(lambda: len(late.messages()) >= 2, "offline")
    numbers = [m["seq"] for _, m in sub.json("iot/telemetry/")]
    check(numbers == list(range(1, sent + 1)), f"{numbers}, {sent} sent")
    check([m[1] for m in late.messages()] == [b"online", b"offline"], f"{late.messages()}")
    # A death is told by the will, once more retained.
    p = lab.Program("device", **broker.settings(), **QUICK)
    late.wait("iot/status/", 3)
    p.signal(signal.SIGKILL)
    p.end()
    check(late.wait("iot/status/", 4)[3][1] == b"offline", "will")
    p = lab.Program("device", **broker.settings(), **QUICK)
    late.wait("iot/status/", 5)
    p.signal(signal.SIGINT)
    check(p.end(10) == 130, "exit code after SIGINT")
    sub.close(), late.close(), broker.kill()


def names_and_ids(folder):
    broker = lab.Broker(folder)
    sub = lab.Subscriber(broker.port, ["iot/#"])
    for line in open(os.path.join(CASES, "mqtt", "device-ids.jsonl"), encoding="utf-8"):
        case = json.loads(line)
        env = {"DEVICE_NAME": case["DEVICE_NAME"], "DEVICE_ID": case["DEVICE_ID"], **QUICK, **broker.settings()}
        if case["expect"].startswith("refused"):
            code, out, err = lab.run("device", **env)
            check(code == 2 and "DEVICE_ID" in err and case["DEVICE_ID"] in err and "'+'" in err, f"{case}: {code} {err}")
            check(not sub.messages("iot/"), "nothing was sent")
            continue
        p = lab.Program("device", **env)
        sub.wait("iot/telemetry/" + case["DEVICE_ID"], 2)
        p.signal(signal.SIGTERM)
        check(p.end(10) == 0, f"{case}")
        check(all(m["device_id"] == case["DEVICE_ID"] for _, m in sub.json("iot/telemetry/" + case["DEVICE_ID"])), "id")
    warned = any("is not in the dataset" in s for s in p.out.all)
    check(warned, "the last id is not in the dataset, and that is said")
    for id in ("a/b", "", "x" * 129, "a#", "tab\tid"):
        code, _, err = lab.run("device", DEVICE_ID=id, DEVICE_NAME="n", **broker.settings()) if id else (2, "", "DEVICE_ID")
        check(code == 2 and "DEVICE_ID" in err, f"{id!r}: {code} {err}")
    sub.close(), broker.kill()


def metrics_files(folder):
    """Names that are hostile to a file system; an own folder; the summary on the broker."""
    if not lab.has_model():
        return "skipped: no model"
    broker = lab.Broker(folder)
    sub = lab.Subscriber(broker.port, ["iot/#"])
    llm = {"ENABLE_LLM": "yes", "LLM_MODEL_NAME": lab.MODEL, "LLM_INFERENCE_INTERVAL": "1", "LLM_MAX_NEW_TOKENS": "4", **QUICK, **broker.settings()}
    name, id = open(os.path.join(CASES, "json", "v-js3-device-name.env"), encoding="utf-8").read().split("\n")[:2]
    name, id = name.split("=", 1)[1], id.split("=", 1)[1]
    # Without METRICS_DIR: metrics/NAME below the working folder.
    os.chdir(folder)
    p = lab.Program("device", DEVICE_NAME=name, DEVICE_ID=id, **llm)
    sub.wait("iot/metrics/" + id, 24, 120)
    p.signal(signal.SIGTERM)
    check(p.end(20) == 0, f"{p.err.all}")
    files = glob.glob(os.path.join(folder, "metrics", "*", "*"))
    check(len(files) == 1 and "inference_metrics_00-0f-00-70-91-0a_" in files[0], f"{files}")
    data = json.load(open(files[0], encoding="utf-8"))
    check(data["summary"]["device_id"] == id, "id keeps its colons")
    published = [m for t, m in sub.json("iot/metrics/") if t == "iot/metrics/" + id]
    check(data["detailed_metrics"] == published, f"{len(data['detailed_metrics'])} in the file, {len(published)} published")
    check(data["summary"] == [m for t, m in sub.json("iot/metrics/") if t.endswith("/summary")][-1], "the last summary is the file's")
    log = p.text()
    check("Compute device: cpu" in log and "LLM Inference: Enabled" in log, "log wording")
    # With it: that folder itself, as the container's volume is.
    p = lab.Program("device", METRICS_DIR=os.path.join(folder, "own"), DEVICE_NAME="../../up", DEVICE_ID="küche-1", **llm)
    sub.wait("iot/metrics/küche-1", 2, 60)
    p.signal(signal.SIGTERM)
    check(p.end(20) == 0, "exit code")
    files = glob.glob(os.path.join(folder, "own", "*"))
    check(len(files) == 1 and os.path.basename(files[0]).startswith("inference_metrics_küche-1"), f"{files}")
    sub.close(), broker.kill()


def fails_and_goes_on(folder):
    """A prompt that does not fit is an error of that inference, counted and said; telemetry goes on."""
    if not lab.has_model():
        return "skipped: no model"
    broker = lab.Broker(folder)
    sub = lab.Subscriber(broker.port, ["iot/#"])
    p = lab.Program("device", METRICS_DIR=folder, ENABLE_LLM="1", LLM_MODEL_NAME=lab.MODEL, LLM_INFERENCE_INTERVAL="1", LLM_MAX_LENGTH="20",
                    **QUICK, **broker.settings())
    sub.wait("iot/metrics/", 4)
    p.signal(signal.SIGTERM)
    check(p.end(20) == 1, "exit code: no inference was good")
    check(re.fullmatch(r"wattle device: all \d+ inferences failed: .+", p.err.all[-1]), f"{p.err.all}")
    m = next(m for t, m in sub.json("iot/metrics/") if not t.endswith("/summary"))
    check(m["finish_reason"] == "error" and m["error"], f"{m}")
    s = [m for t, m in sub.json("iot/metrics/") if t.endswith("/summary")][-1]
    check(s["errors"] >= 2 and s["inference_time_ms"]["max"] == 0, f"{s}")
    check(not sub.messages("iot/analysis/") and len(sub.messages("iot/telemetry/")) >= 2, "telemetry goes on, there is no analysis")
    sub.close(), broker.kill()


def waits_for_its_broker(folder):
    """Started first, and with a name that does not resolve: tries on, and can be ended."""
    p = lab.Program("device", MQTT_BROKER="no-such-host.invalid", **QUICK)
    p.out.wait(lambda s: "no-such-host.invalid" in s and "trying again" in s, "the outage is said")
    p.out.wait(lambda s: "Sent telemetry #5" in s, "telemetry goes on")
    p.signal(signal.SIGTERM)
    check(p.end(10) == 1, "exit code: the broker was never reached")
    check(any(re.search(r"\d+ messages? waits? on disk", s) for s in p.out.all), "what waits for the next start is said")
    check(p.err.all[-1].startswith("wattle device: no message was ever acknowledged by no-such-host.invalid:1883: host name: "), f"{p.err.all}")
    port = lab.free_port()
    p = lab.Program("device", MQTT_BROKER="localhost", MQTT_PORT=str(port), **QUICK)
    p.out.wait(lambda s: "trying again" in s, "the outage is said")
    broker = lab.Broker(folder, port=port)
    p.out.wait(lambda s: "connected to localhost" in s, "the connection is said")
    p.signal(signal.SIGTERM)
    check(p.end(10) == 0, "exit code")
    check(not any("not acknowledged" in s for s in p.out.all), "all that waited was delivered")
    broker.kill()


def make_certificates(folder):
    """A CA, a certificate of 127.0.0.1 by it, and another CA."""
    def openssl(*args):
        subprocess.run([lab.find("openssl"), *args], cwd=folder, check=True, capture_output=True, timeout=lab.PATIENCE)
    for ca in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN=wattle {ca}",
                "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=broker", "-keyout", "server.key", "-out", "server.csr")
    with open(os.path.join(folder, "san"), "w", encoding="ascii") as f:
        f.write("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "san", "-out", "server.pem")


def speaks_tls_with_a_password(folder):
    make_certificates(folder)
    passwords, secret = os.path.join(folder, "passwd"), os.path.join(folder, "secret")
    subprocess.run([lab.find("mosquitto_passwd"), "-b", "-c", passwords, "user", "pass word"], check=True, capture_output=True)
    with open(secret, "w", encoding="ascii") as f:
        f.write("pass word\n")
    at = {name: os.path.join(folder, name) for name in ("ca.pem", "other.pem", "server.pem", "server.key")}
    broker = lab.Broker(folder, config=f"allow_anonymous false\npassword_file {passwords}\ncertfile {at['server.pem']}\nkeyfile {at['server.key']}\n")
    login = {"MQTT_BROKER": "127.0.0.1", "MQTT_PORT": str(broker.port), "MQTT_USERNAME": "user", "MQTT_PASSWORD_FILE": secret, **QUICK}
    p = lab.Program("device", MQTT_CA_FILE=at["ca.pem"], LOG_LEVEL="debug", **login)
    p.out.wait(lambda s: "connected to 127.0.0.1" in s, "a connection over TLS")
    p.out.wait(lambda s: "Sent telemetry #40" in s, "more messages than fit into the window")
    p.signal(signal.SIGTERM)
    check(p.end(10) == 0 and not any("not acknowledged" in s for s in p.out.all), "all of them are acknowledged")
    for change, word in (({"MQTT_CA_FILE": at["other.pem"]}, "certificate is not accepted"),
                         ({"MQTT_CA_FILE": at["ca.pem"], "MQTT_BROKER": "localhost"}, "hostname mismatch"),
                         ({"MQTT_CA_FILE": at["ca.pem"], "MQTT_PASSWORD_FILE": "", "MQTT_PASSWORD": "wrong"}, "not authorized")):
        p = lab.Program("device", **{**login, **change})
        p.out.wait(lambda s, w=word: w in s and "trying again" in s, f"{change}: {word}")
        lab.wait_for(lambda p=p: any("Sent telemetry #1:" in s for s in p.out.all), "telemetry was sent")
        p.signal(signal.SIGTERM)
        check(p.end(10) == 1 and word in p.err.all[-1], f"{p.err.all}")
        check("pass word" not in p.text(), "the password is in the log")
    code, _, err = lab.run("device", **login, MQTT_CA_FILE=os.path.join(folder, "absent.pem"))
    check(code != 0 and "absent.pem" in err, f"{code} {err}")
    broker.kill()


if __name__ == "__main__":
    lab.find("mosquitto"), lab.find("mosquitto_sub")
    tests = [sends_and_says_goodbye, names_and_ids, metrics_files, fails_and_goes_on, waits_for_its_broker, speaks_tls_with_a_password]
    lab.main(*[t for t in tests if len(sys.argv) < 2 or t.__name__ in sys.argv[1:]])
