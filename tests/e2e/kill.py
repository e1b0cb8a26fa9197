# SPDX-License-Identifier: MIT
"""kill -9 at a random moment: every JSON file on disk parses, at most 10 inferences are missing from it, nothing is left running.

  kill.py [times]     4 in the normal run, 20 by hand"""
import glob
import json
import os
import random
import signal
import sys

import lab
from lab import check

TIMES = int(sys.argv[1]) if len(sys.argv) > 1 else 4


def files_are_whole(folder):
    if not lab.has_model():
        return "skipped: no model"
    parsed, behind = 0, 0
    for i in range(TIMES):
        broker = lab.Broker(folder)
        sub = lab.Subscriber(broker.port, ["iot/metrics/+"])
        metrics = os.path.join(folder, f"metrics-{i}")
        p = lab.Program("run", "--devices", "2", "--interval", "0.02", "--enable-llm", "--llm-model", lab.MODEL, "--llm-inference-interval", "1",
                        "--llm-max-new-tokens", "1", "--metrics-dir", metrics, "--store", os.path.join(folder, f"{i}.db"), **broker.settings())
        sub.wait("iot/metrics/", 21 + random.randrange(12), 120)
        p.signal(signal.SIGKILL)
        p.end()
        published = [m for _, m in sub.json("iot/metrics/")]
        sub.close(), broker.kill()
        for path in glob.glob(os.path.join(metrics, "**", "*.json"), recursive=True):
            with open(path, encoding="utf-8") as f:
                data = json.load(f)
            parsed += 1
            done = sum(m["device_id"] == data["summary"]["device_id"] for m in published)
            behind = max(behind, done - data["summary"]["total_inferences"])
            check(len(data["detailed_metrics"]) == data["summary"]["total_inferences"], path)
    check(parsed >= TIMES, f"{parsed} files in {TIMES} runs")
    check(behind <= 10, f"a file is {behind} inferences behind")
    print(f"  {TIMES} kills, {parsed} files parsed, at most {behind} inferences behind", flush=True)


if __name__ == "__main__":
    lab.find("mosquitto"), lab.find("mosquitto_sub")
    lab.main(files_are_whole)
