# SPDX-License-Identifier: MIT
"""kill -9 of a whole `wattle run` with its private broker, at a random moment from the start of its loading on: every *.json below
the metrics folder parses and is at most 10 inferences behind what a subscriber saw, and neither mosquitto nor its folder is left.

  kill9.py [times [seed]]     5 in the normal run, 20 by hand"""
import glob
import json
import os
import random
import signal
import sys
import time

import lab
from lab import check

TIMES = int(sys.argv[1]) if len(sys.argv) > 1 else 5
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
GONE_S = 5  # for mosquitto and its folder
LONGEST_S = 4


def start(folder, metrics):
    prompt = os.path.join(folder, "prompt.txt")  # short: many inferences, many saves
    with open(prompt, "w", encoding="utf-8") as f:
        f.write("{{temp}}?")
    return lab.Program("run", "--devices", "3", "--enable-llm", "--llm-model", lab.MODEL, "--llm-inference-interval", "1", "--rate", "50",
                       "--llm-max-new-tokens", "1", "--llm-threads", "1", "--llm-prompt-file", prompt, "--metrics-dir", metrics, TMPDIR=folder)


def subscribe(p, deadline):
    """A subscriber on the private broker, once its address is said; None if the moment has come before."""
    while time.monotonic() < deadline:
        line = next((s for s in list(p.err.all) if s.startswith("Broker: mqtt://127.0.0.1:")), None)
        if line:
            return lab.Subscriber(int(line.split(":")[3].split()[0]), ["iot/metrics/+"])
        check(p.process.poll() is None, f"ended by itself: {p.err.all[-3:]}")
        time.sleep(0.005)
    return None


def left_behind(folder):
    return lab.processes_with(folder) or glob.glob(os.path.join(folder, "wattle-broker-*"))


def check_files(metrics, seen):
    """How many files, and how far the worst is behind what was published."""
    behind, files, devices = 0, glob.glob(os.path.join(metrics, "**", "*.json"), recursive=True), {}
    for path in files:
        with open(path, encoding="utf-8") as f:
            data = json.load(f)
        summary = data["summary"]
        devices[summary["device_id"]] = summary["total_inferences"]
        check(len(data["detailed_metrics"]) == summary["total_inferences"], f"{path}: details and summary differ")
    for device in {m["device_id"] for m in seen}:
        published = sum(m["device_id"] == device for m in seen)
        behind = max(behind, published - devices.get(device, 0))
    return len(files), behind


def killed_at_any_moment(folder):
    if not lab.has_model():
        return "skipped: no model"
    rng, parsed, worst, inferences, slowest = random.Random(SEED), 0, 0, 0, 0.0
    for i in range(TIMES):
        metrics = os.path.join(folder, f"metrics-{i}")
        # One of five in the middle of starting, the others while files are written.
        moment = rng.uniform(0, 0.3) if i % 5 == 4 else rng.uniform(0.5, LONGEST_S)
        p = start(folder, metrics)
        deadline = time.monotonic() + moment
        sub = subscribe(p, deadline)
        if sub:
            # What is random is how much it has done by then: on a busy machine it takes its time.
            wanted = rng.randrange(1, 80)
            while time.monotonic() < deadline or len(sub.messages("iot/metrics/")) < wanted:
                check(p.process.poll() is None, f"ended by itself: {p.err.all[-3:]}")
                check(time.monotonic() < deadline + lab.PATIENCE, "too slow")
                time.sleep(rng.uniform(0, 0.02))
        p.signal(signal.SIGKILL)
        p.end()
        began = time.monotonic()
        lab.wait_for(lambda: not left_behind(folder), f"mosquitto and its folder are gone; seed {SEED}, run {i}", GONE_S)
        slowest = max(slowest, time.monotonic() - began)
        seen = []
        if sub:
            sub.close()  # its broker has gone: all that came is printed
            seen = [m for _, m in sub.json("iot/metrics/")]
        files, behind = check_files(metrics, seen)
        parsed, worst, inferences = parsed + files, max(worst, behind), inferences + len(seen)
        check(behind <= 10, f"a file is {behind} inferences behind; seed {SEED}, run {i}")
    check(parsed > 0, "no file was written")
    print(f"  {TIMES} kills, seed {SEED}: {inferences} inferences, {parsed} files parsed, at most {worst} inferences behind, "
          f"the broker gone after {slowest:.2f} s", flush=True)
    return None


if __name__ == "__main__":
    lab.find("mosquitto"), lab.find("mosquitto_sub")
    lab.main(killed_at_any_moment)
