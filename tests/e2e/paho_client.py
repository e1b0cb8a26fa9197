# SPDX-License-Identifier: MIT
"""An outside client that is not ours and not mosquitto's: paho-mqtt, from PyPI, over TLS and with a password, in both versions of the
protocol. What it receives of a fleet is all of it; what it publishes, `wattle consume` has. Skipped by name without it."""
import json
import os
import sqlite3
import subprocess
import sys

import lab
from broker import make_certificate, openssl
from lab import check

SECRET = "pass: wörd"
library = None

CLIENT = r"""
import json, signal, sys, threading
import paho.mqtt.client as mqtt
port, ca, version, secret, messages = sys.argv[1:]
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="outside", protocol=mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311)
client.tls_set(ca_certs=ca)
client.username_pw_set("user", secret)
say = lambda *words: print(json.dumps(words), flush=True)
ready = threading.Event()
def on_connect(client, userdata, flags, reason, properties):
    say("connected", str(reason))
    client.subscribe("iot/#", qos=1) if not messages else ready.set()
client.on_connect = on_connect
client.on_subscribe = lambda client, userdata, mid, reasons, properties: say("subscribed", *map(str, reasons))
client.on_message = lambda client, userdata, m: say("message", m.topic, m.payload.hex(), m.qos, m.retain)
signal.signal(signal.SIGTERM, lambda *_: client.disconnect())
client.connect("127.0.0.1", int(port))
if not messages:
    client.loop_forever()
    sys.exit()
client.loop_start()
ready.wait(30)
sent = [client.publish(topic, bytes.fromhex(payload), qos=qos, retain=retain) for topic, payload, qos, retain in json.loads(messages)]
for info in sent:
    info.wait_for_publish(30)
    assert info.is_published()
client.disconnect()
client.loop_stop()
say("published", len(sent))
"""


def find_library(folder):
    """The folder of the library: WATTLE_PAHO_PYTHONPATH, or a fresh one."""
    given = os.environ.get("WATTLE_PAHO_PYTHONPATH")
    if given:
        return given
    got = subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "1", "--no-compile",
                          "--target", os.path.join(folder, "lib"), "paho-mqtt>=2"], capture_output=True, timeout=120)
    if got.returncode:
        print("skipped: paho-mqtt can't be fetched from PyPI")
        sys.exit(lab.SKIP)
    return os.path.join(folder, "lib")


class Paho:
    """A paho client in a process of its own: without messages it subscribes to everything of ours, else it publishes them and ends."""

    def __init__(self, place, version, messages=None):
        self.process = subprocess.Popen([sys.executable, "-c", CLIENT, str(place.broker.port), place.at("ca.pem"), version, SECRET,
                                         json.dumps(messages) if messages else ""], env={**os.environ, "PYTHONPATH": library},
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        lab.started.append(self.process)
        self.lines = lab.Lines(self.process.stdout)
        self.lines.wait(lambda s: s == '["connected", "Success"]', "paho is connected")

    def messages(self, prefix="", retained=False):
        """(topic, payload, qos), in order; retained: those that lay there before."""
        found = [json.loads(s)[1:] for s in list(self.lines.all) if s.startswith('["message"')]
        return [(topic, bytes.fromhex(payload), qos) for topic, payload, qos, kept in found if topic.startswith(prefix) and kept == retained]

    def json(self, prefix):
        return [(topic, json.loads(payload)) for topic, payload, _ in self.messages(prefix)]


class Place:
    """A broker with TLS and passwords, and how we reach it."""

    def __init__(self, folder):
        self.folder = folder
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=wattle ca",
                "-keyout", "ca.key", "-out", "ca.pem")
        make_certificate(folder, "server", "ca")
        subprocess.run([lab.find("mosquitto_passwd"), "-b", "-c", self.at("passwd"), "user", SECRET], check=True, capture_output=True)
        self.broker = lab.Broker(folder, config=f"allow_anonymous false\npassword_file {self.at('passwd')}\nkeyfile {self.at('server.key')}\n"
                                                f"certfile {self.at('server.pem')}\n")
        self.settings = {"MQTT_CA_FILE": self.at("ca.pem"), "MQTT_USERNAME": "user", "MQTT_PASSWORD": SECRET, **self.broker.settings()}

    def at(self, name):
        return os.path.join(self.folder, name)


def fleet(place, version):
    """Telemetry, analyses, metrics and status of two devices: each message that was acknowledged, once and in order."""
    paho = Paho(place, version)
    paho.lines.wait(lambda s: s.startswith('["subscribed", "Granted QoS 1"'), "the subscription")
    code, out, err = lab.run("run", "--devices", "2", "--enable-llm", "--llm-model", lab.MODEL, "--llm-inference-interval", "5", "--llm-max-new-tokens", "8",
                             "--rate", "10", "--inferences", "4", "--json", METRICS_DIR=place.at("m" + version), MQTT_VERSION=version, **place.settings)
    check(code == 0, f"wattle run: {code}: {err[-1000:]}")
    summary = json.loads(out)
    lab.wait_for(lambda: len(paho.messages()) >= summary["acknowledged"], "all messages")
    paho.process.terminate()
    check(paho.process.wait(lab.PATIENCE) == 0, "paho ended well")
    paho.lines.join()
    check(summary["unacknowledged"] == summary["dropped"] == summary["errors"] == 0 and summary["inferences"] >= 4, f"{summary}")
    check(len(paho.messages()) == summary["acknowledged"] == summary["published"], f"{len(paho.messages())} of {summary['acknowledged']}")
    check({qos for _, _, qos in paho.messages()} == {1}, "QoS 1")
    for device in summary["devices"]:
        id = device["device_id"]
        telemetry = [m for _, m in paho.json("iot/telemetry/" + id)]
        check([m["seq"] for m in telemetry] == list(range(1, device["telemetry_sent"] + 1)), f"{id}: sequence")
        analyses = [m for _, m in paho.json("iot/analysis/" + id)]
        check(len(analyses) == device["inferences"] > 0, f"{id}: {len(analyses)} analyses of {device['inferences']}")
        check(all(m["device_id"] == id and m["telemetry"] in telemetry for m in analyses), f"{id}: of what was published")
        saved = json.load(open(device["metrics_file"], encoding="utf-8"))
        check([m for t, m in paho.json("iot/metrics/" + id) if not t.endswith("/summary")] == saved["detailed_metrics"], f"{id}: metrics")
        check(paho.json("iot/metrics/" + id + "/summary")[-1][1] == saved["summary"], f"{id}: summary")
        check([payload for _, payload, _ in paho.messages("iot/status/" + id)] == [b"online", b"offline"], f"{id}: status")
    late = Paho(place, version)
    left = sorted(("iot/status/" + device["device_id"], b"offline", 1) for device in summary["devices"])
    lab.wait_for(lambda: sorted(late.messages("iot/status/", retained=True)) == left, "the status is retained")
    late.process.terminate()
    late.process.wait(lab.PATIENCE)
    return len(paho.messages())


def receives_everything_of_a_fleet(folder):
    if not lab.has_model():
        return "skipped: no model"
    place = Place(folder)
    n = {version: fleet(place, version) for version in ("5", "3.1.1")}
    place.broker.kill()
    return f"ok: {n['5']} messages over MQTT 5, {n['3.1.1']} over 3.1.1, none lost"


def reading(version, n):
    return {"data": {"co": 0.0049, "humidity": 51 + n / 100, "light": False, "lpg": 0.0077, "motion": n % 2 == 0, "smoke": 0.0204, "temp": 22.7},
            "device_id": f"gerät-{version}", "ts": 1594512094.3859746 + n, "seq": n + 1}


def is_consumed(folder):
    """Of every quality of service, retained or not; printed and stored as they were."""
    place = Place(folder)
    db, count = place.at("m.db"), 200
    for version in ("5", "3.1.1"):
        status = (f"iot/status/gerät-{version}", b"online".hex(), 1, True)
        Paho(place, version, [status]).lines.wait(lambda s: s == '["published", 1]', "the status")
        p = lab.Program("consume", "--json", "--topic", f"iot/+/gerät-{version}", "--count", str(count + 1), "--store", db, MQTT_VERSION=version, **place.settings)
        p.out.wait(lambda s: json.loads(s)["retained"], "the retained message: so it is subscribed")
        sent = [reading(version, n) for n in range(count)]
        paho = Paho(place, version, [(f"iot/telemetry/gerät-{version}", json.dumps(m).encode().hex(), n % 3, False) for n, m in enumerate(sent)])
        paho.lines.wait(lambda s: s == f'["published", {count}]', "all published")
        check(p.end() == 0 and p.err.all[-1].endswith(" 0 bad"), f"{p.err.all[-3:]}")
        got = [json.loads(s) for s in p.out.all]
        check(got[0]["payload"] == "online", f"{got[0]}")
        # Different qualities of service may overtake each other; none may be missing or altered.
        check(sorted((m["payload"] for m in got[1:]), key=lambda m: m["seq"]) == sent, "what was published")
        check(all(m["topic"] == f"iot/telemetry/gerät-{version}" and not m["retained"] for m in got[1:]), "topics")
    rows = sqlite3.connect(db).execute("select count(*) from messages").fetchone()[0]
    check(rows == 2 * (count + 1), f"{rows} stored")
    place.broker.kill()
    return f"ok: {2 * count} messages"


if __name__ == "__main__":
    with lab.Folder() as shared:
        library = find_library(shared)
        lab.main(receives_everything_of_a_fleet, is_consumed)
