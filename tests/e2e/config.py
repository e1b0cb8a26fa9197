# SPDX-License-Identifier: MIT
"""Config files with the real program: where each value comes from, what is refused, and devices of one run that differ."""
import json
import os
import re
import shutil
import subprocess

import lab
from lab import check

DOCS = os.path.join(lab.SOURCE, "docs", "config.md")


def write(folder, name, text):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, 0o600)
    return path


def printed(*args, **env):
    code, out, err = lab.run(*args, "--print-config", "--json", **env)
    check(code == 0, f"{args}: {code} {err}")
    rows = json.loads(out)
    return {(r.get("device"), r["name"]): r for r in rows}


def every_source(folder):
    path = write(folder, "c/10.yaml", "LLM_TOP_K: 1\nllm_top_p: 0.5\nDEVICE_ID: 0012\nLLM_MIN_P: 0.1\n")
    later = write(folder, "c/20.yaml", "LLM_TOP_K: 2\nalarms:\n  temp: {max: 60}\ndevices:\n  pump:\n    LLM_SEED: 7\n")
    rows = printed("device", "--config", os.path.join(folder, "c"), "--llm-min-p", "0.2", LLM_TOP_P="0.6", DEVICE_NAME="pump")
    got = {n: (rows[None, n]["value"], rows[None, n]["source"], rows[None, n].get("file"), rows[None, n].get("line"))
           for n in ("LLM_TOP_K", "LLM_TOP_P", "LLM_MIN_P", "DEVICE_ID", "ALARM_TEMP_MAX", "ALARM_TEMP_MIN", "LLM_SEED", "LLM_MAX_LENGTH")}
    check(got == {"LLM_TOP_K": (2, "config", later, 1), "LLM_TOP_P": (0.6, "environment", None, None),
                  "LLM_MIN_P": (0.2, "flag", None, None), "DEVICE_ID": ("0012", "config", path, 3),
                  "ALARM_TEMP_MAX": (60, "config", later, 3), "ALARM_TEMP_MIN": (None, "default", None, None),
                  "LLM_SEED": ("7", "config", later, 6), "LLM_MAX_LENGTH": (512, "default", None, None)}, f"{got}")
    code, out, _ = lab.run("run", "--print-config", WATTLE_CONFIG=os.path.join(folder, "c"))
    check(code == 0 and re.search(rf"^LLM_TOP_K +2 +config {re.escape(later)}:1$", out, re.M), out)
    check(re.search(rf'^Device "pump"\nLLM_SEED +7 +config {re.escape(later)}:6$', out, re.M), out)


def refused(folder):
    for text, message in [
            ("\nllm_temprature: 1\n", "edge.yaml:2:1: llm_temprature: unknown, the nearest is llm_temperature"),
            ("MQTT_PORT: 99999", "edge.yaml:1:1: MQTT_PORT: '99999' is out of range, expected 1 to 65535"),
            ("devices: {a: {METRICS_DIR: x}}", "edge.yaml:1:15: devices.a.METRICS_DIR: the devices of one 'run' cannot differ in that"),
            (f"prompt: {{user: '{{{{nope}}}}'}}\nENABLE_LLM: yes\nLLM_MODEL_NAME: {lab.MODEL}", "edge.yaml:1:10: LLM_PROMPT_USER: line 1: unknown placeholder '{{nope}}'"),
            (f"devices: {{edge-device-01: {{prompt: {{user: '{{{{nope}}}}'}}}}}}\nENABLE_LLM: yes\nLLM_MODEL_NAME: {lab.MODEL}",
             "edge.yaml:1:37: LLM_PROMPT_USER: line 1: unknown placeholder '{{nope}}'"),
            (f"ENABLE_LLM: yes\nLLM_PROMPT_FILE: /none\nLLM_MODEL_NAME: {lab.MODEL}", "edge.yaml:2:1: LLM_PROMPT_FILE: "),
            ("LLM_ENDPOINT: http:///me:hush@h/", "edge.yaml:1:1: LLM_ENDPOINT: the value has a user or password before '@'"),
            ("MQTT_BROKER: 127.0.0.1\nMQTT_TLS: yes\nMQTT_CA_FILE: /none.pem", "edge.yaml:3:1: MQTT_CA_FILE '/none.pem': No such file"),
    ]:
        if lab.MODEL in text and not lab.has_model():
            continue
        path = write(folder, "edge.yaml", text)
        code, out, err = lab.run("run", "--config", path, "--duration", "1s", seconds=60)
        lines = err.splitlines()
        check(code == 2 and message in lines[-1] and not out, f"{text!r}: {code} {err!r}")
        check("hush" not in err, f"a password is shown: {err}")
    code, _, err = lab.run("run", "--config", os.path.join(folder, "none.yaml"))
    check(code == 2 and "none.yaml': No such file" in err and err.count("\n") == 1, f"{code} {err}")
    for text in (": c\n", "%YAML 9.9\n---\na: 1\n"):
        code, out, err = lab.run("run", "--config", write(folder, "edge.yaml", text))
        check(code == 2 and "edge.yaml:1:1: " in err and err.count("\n") == 1 and not out, f"{code} {err}")
    code, _, err = lab.run("device", MQTT_USERNAME="u", MQTT_PASSWORD_FILE=os.path.join(folder, "none"), seconds=60)
    check(code == 2 and err.splitlines()[-1].startswith("wattle device: MQTT_PASSWORD_FILE: ") and "No such file" in err, f"{code} {err}")
    path = write(folder, "edge.yaml", "MQTT_USERNAME: u\nMQTT_PASSWORD: very secret\n")
    os.chmod(path, 0o644)
    code, out, err = lab.run("device", "--config", path, "--print-config")
    check(code == 0 and "edge.yaml:2: MQTT_PASSWORD: every user of the machine can read" in err, err)
    check("very secret" not in out + err and re.search(r"^MQTT_PASSWORD +\*\*\* +config ", out, re.M), "the secret stays one")


def devices_of_one_run(folder):
    if not lab.has_model():
        return "skipped: no model"
    broker = lab.Broker(folder)
    path = write(folder, "edge.yaml", f"""
MQTT_BROKER: 127.0.0.1
MQTT_PORT: {broker.port}
LLM_MODEL_NAME: {lab.MODEL}
LLM_MAX_NEW_TOKENS: 8
LLM_INFERENCE_INTERVAL: 2
TELEMETRY_INTERVAL: 0.5
METRICS_DIR: {folder}/metrics
devices:
  edge-device-01:
    ENABLE_LLM: yes
    alarms: {{temp: {{max: -50}}}}
    prompt: {{system: Be brief., user: "Repeat: {{{{alarms}}}}"}}
  edge-device-03: {{TELEMETRY_INTERVAL: 0.05}}
  edge-device-07: {{ENABLE_LLM: yes}}
""")
    sub = lab.Subscriber(broker.port, ["iot/#"])
    code, out, err = lab.run("run", "--devices", "3", "--config", path, "--inferences", "3", "--json", seconds=120)
    check(code == 0, f"{code} {err}")
    sub.close()
    result = json.loads(out)
    first, second, third = result["devices"]
    check(first["inferences"] == 3 and second["inferences"] == third["inferences"] == 0, f"{result}")
    check(third["telemetry_sent"] > 3 * second["telemetry_sent"] > 0, "an interval of its own")
    check((first["alarms"], second["alarms"], third["alarms"], result["alarms"]) == (1, 0, 0, 1), "one event is one alarm")
    check("edge.yaml:15: 'edge-device-07' is no device of this run" in err, err)
    check(re.search(r"warning: edge-device-01: alarm: temp \S+ above -50 \(telemetry #1\)", err), err)
    messages = sub.json("iot/anomaly/")
    check(len(messages) == 1, f"{messages}")
    topic, m = messages[0]
    check(topic == "iot/anomaly/" + first["device_id"], topic)
    check(set(m) == {"device_id", "timestamp", "verdict", "severity", "fields", "reason", "source", "ts", "seq"}, f"{m}")
    check((m["verdict"], m["severity"], m["fields"], m["source"], m["seq"]) == ("anomaly", 10, ["temp"], "threshold", 1), f"{m}")
    check(m["reason"] == f"temp {m['reason'].split()[1]} above -50", m["reason"])
    # A flag is for all: it goes before what the config says of one.
    code, out, err = lab.run("run", "--devices", "3", "--config", path, "--enable-llm=no", "--duration", "1s", "--json", seconds=60)
    check(code == 0 and "LLM Inference: Disabled" in err and json.loads(out)["inferences"] == 0, f"{code} {err}")
    code, out, err = lab.run("run", "--config", path, "--enable-llm=no", "--inferences", "1", seconds=60)
    check(code == 2 and "needs --enable-llm" in err, f"{code} {err}")
    broker.kill()


def in_etc(folder):
    """/etc/edge-device itself, in a name space of its own where /etc is an empty folder."""
    if not shutil.which("unshare"):
        return "skipped: no unshare"
    script = """mount -t tmpfs none /etc && mkdir /etc/edge-device && echo 'LLM_TOP_K: 9' >/etc/edge-device/b.yaml &&
        echo 'LLM_TOP_K: 8' >/etc/edge-device/a.yml && echo junk >/etc/edge-device/c.txt || exit 77
        "$0" run --print-config && ln -s nowhere /etc/edge-device/z.yaml && "$0" run --print-config >/dev/null &&
        "$0" help >/dev/null && echo 'x' >/etc/edge-device/b.yaml && "$0" run --help >/dev/null && "$0" run --config /dev/null --print-config"""
    p = subprocess.run(["unshare", "--mount", "--map-root-user", "sh", "-c", script, lab.WATTLE], capture_output=True, text=True,
                       env=lab.environment(), timeout=60)
    if p.returncode == 77 or "unshare failed" in p.stderr or "mount" in p.stderr:
        return f"skipped: no name spaces: {p.stderr.strip()}"
    check(p.returncode == 0, f"{p.returncode} {p.stderr}")
    check(re.search(r"^LLM_TOP_K +9 +config /etc/edge-device/b.yaml:1$", p.stdout, re.M), p.stdout)
    check("config file '/etc/edge-device/z.yaml', left out: No such file" in p.stderr, p.stderr)
    return None


def examples_of_the_docs(folder):
    """Every YAML block of docs/config.md is a config that run and device take, and says what it seems to."""
    with open(DOCS, encoding="utf-8") as f:
        text = f.read()
    blocks = re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S)
    check(len(blocks) >= 4, f"{len(blocks)} blocks")
    for block in blocks:
        path = write(folder, "edge.yaml", block)
        for command in ("run", "device"):
            rows = printed(command, "--config", path)
            given = [r for r in rows.values() if r["source"] == "config"]
            check(given, f"{command} takes nothing of {block}")
    rows = printed("run", "--config", path, "--llm-top-k", "40")
    check(rows["edge-device-02", "ALARM_TEMP_MAX"]["value"] == 8, "the last block has a device")
    code, out, _ = lab.run("run", "--config", path, "--llm-top-k", "40", "--print-config")
    shown = re.search(r"^\$ wattle run --config edge.yaml.*?\n(.*?)^```", text, re.M | re.S).group(1)
    got = [" ".join(line.split()) for line in out.replace(path, "edge.yaml").splitlines()]
    for line in shown.splitlines():
        check(line == "…" or " ".join(line.split()) in got, f"the docs show {line!r}, the program:\n{out}")
    # The lines that the docs show of wrong files.
    wrong = re.findall(r"^wattle run: edge.yaml:\d+:1: (.*)$", text, re.M)
    samples = ["llm_temprature: 1", "MQTT_PORT: 99999", "LLM_TOP_P: 1\nLLM_TOP_P: 1"]
    check(len(wrong) == len(samples), f"{wrong}")
    for message, sample in zip(wrong, samples):
        code, _, err = lab.run("run", "--config", write(folder, "edge.yaml", sample))
        known = re.sub(r"line \d+", "line 1", message)
        check(code == 2 and known in err, f"{message!r}: {err!r}")


lab.main(every_source, refused, devices_of_one_run, in_etc, examples_of_the_docs)
