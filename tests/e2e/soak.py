# SPDX-License-Identifier: MIT
"""Many devices while their broker is killed and comes back: no message is lost, duplicates are counted, memory stays flat.

  soak.py [--minutes 0.6] [--devices 20] [--kills 1] [--away 3] [--rate 2]
By hand: soak.py --minutes 20 --devices 50 --kills 3 --away 30 --rate 0

Counted from outside: a subscriber with a session that outlives the broker sees every seq of every device, first occurrences in
order; what it sees twice is no more than what the fleet says it sent again, and what it was itself sent again. Without --rate
the devices keep their 1 to 5 seconds."""
import argparse
import collections
import json
import os
import sys
import time

import lab
from lab import check

parser = argparse.ArgumentParser()
parser.add_argument("--minutes", type=float, default=0.6)
parser.add_argument("--devices", type=int, default=20)
parser.add_argument("--kills", type=int, default=1)
parser.add_argument("--away", type=float, default=3)
parser.add_argument("--rate", type=float, default=2)
options = parser.parse_args()


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def watch(p, seconds, samples):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        check(p.process.poll() is None, f"the fleet ended: {p.err.all[-3:]}")
        samples.append((time.monotonic(), resident_kib(p.process.pid)))
        time.sleep(min(1.0, max(0.0, end - time.monotonic())))


def count(sub):
    """Per device: seqs in order of first sight, and how many were seen again."""
    first, seen, again = collections.defaultdict(list), collections.defaultdict(set), 0
    for topic, m in sub.json("iot/telemetry/"):
        check(topic == "iot/telemetry/" + m["device_id"], topic)
        if m["seq"] in seen[topic]:
            again += 1
        else:
            seen[topic].add(m["seq"])
            first[topic].append(m["seq"])
    return first, again


def soak(folder):
    seconds = options.minutes * 60
    broker = lab.Broker(folder, persistent=True)
    sub = lab.Subscriber(broker.port, ["iot/telemetry/+"], session="soak")
    pace = ["--rate", str(options.rate)] if options.rate else []
    p = lab.Program("run", "--devices", str(options.devices), "--duration", f"{seconds:.1f}s", "--json",
                    "--metrics-dir", os.path.join(folder, "m"), *pace, **broker.settings())
    sub.wait("iot/telemetry/", options.devices)
    saved = os.path.join(folder, "mosquitto.db")
    lab.wait_for(lambda: os.path.exists(saved), "the subscriber's session is on disk")
    samples, quiet = [], (seconds - options.kills * options.away) / (options.kills + 1)
    for _ in range(options.kills):
        watch(p, quiet, samples)
        broker.kill()
        watch(p, options.away, samples)
        broker.start()
    code = p.end(quiet + 60)
    check(code == 0, f"exit code {code}: {p.err.all[-3:]}")
    result = json.loads(p.text())
    lab.wait_for(lambda: sum(map(len, count(sub)[0].values())) >= result["telemetry_sent"], "everything that was sent arrives", 30)
    sub.close(), broker.kill()

    first, again = count(sub)
    check(result["dropped"] == result["unacknowledged"] == 0, f"dropped {result['dropped']}, unacknowledged {result['unacknowledged']}")
    for d in result["devices"]:
        seqs = first["iot/telemetry/" + d["device_id"]]
        lost = set(range(1, d["telemetry_sent"] + 1)) - set(seqs)
        check(not lost, f"{d['device_name']} lost {sorted(lost)[:10]}")
        check(seqs == sorted(seqs), f"{d['device_name']}: out of order: {seqs}")
    check(result["reconnects"] >= options.kills * options.devices, f"{result['reconnects']} reconnects")
    # A restored session may be given what it had not acknowledged: at most its window a kill, beside what devices sent again.
    print(f"  {result['telemetry_sent']} sent by {options.devices} devices, 0 lost, {again} seen twice, {result['resent']} sent again, "
          f"{result['reconnects']} reconnects", flush=True)

    # Memory: after the first tenth (connections, first queues) no trend; while the broker is away the queues may grow and shrink again.
    start = samples[0][0]
    early = [kib for t, kib in samples if t - start < seconds * 0.15]
    late = [kib for t, kib in samples if t - start > seconds * 0.85] or [samples[-1][1]]
    print(f"  resident: {max(early)} KiB early, {max(late)} KiB late, {max(k for _, k in samples)} KiB at most", flush=True)
    check(max(late) <= max(early) * 1.1 + 4096, "memory grows")


if __name__ == "__main__":
    lab.find("mosquitto"), lab.find("mosquitto_sub")
    sys.argv = sys.argv[:1]
    lab.main(soak)
