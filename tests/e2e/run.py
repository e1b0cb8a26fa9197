# SPDX-License-Identifier: MIT
"""wattle run: the fleet against its private broker, seen from outside with mosquitto_sub."""
import glob
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time

import lab
from lab import check

SEED = ["timestamp", "device_id", "model_name", "inference_time_seconds", "inference_time_ms", "memory_used_mb", "memory_total_mb",
        "cpu_percent_avg", "cpu_percent_samples", "energy_consumed_mj", "energy_consumed_j", "compute_device", "prompt_length", "response_length"]
OURS = ["prompt_tokens", "cached_tokens", "completion_tokens", "time_to_first_token_ms", "prefill_ms", "decode_ms", "queue_ms",
        "tokens_per_second", "energy_source", "joules_per_token", "quantization", "threads", "batch_size", "finish_reason", "error",
        "memory_private_mb", "memory_shared_mb", "throttled_ms"]
LLM = ["--enable-llm", "--llm-model", lab.MODEL, "--llm-inference-interval", "2", "--llm-max-new-tokens", "12"]


def start(folder, *args, **env):
    p = lab.Program("run", "--metrics-dir", os.path.join(folder, "metrics"), *args, TMPDIR=folder, **env)
    line = p.err.wait(lambda s: s.startswith("Broker: "), "the broker's address")
    return p, int(re.match(r"Broker: mqtt://127\.0\.0\.1:(\d+) ", line).group(1))


def nothing_left(folder):
    lab.wait_for(lambda: not glob.glob(os.path.join(folder, "wattle-broker-*")), "the broker's folder is gone", 15)
    lab.wait_for(lambda: not lab.processes_with(f"TMPDIR={folder}\0"), "no process is left", 15)


def telemetry_of_a_fleet(folder):
    p, port = start(folder, "--devices", "5", "--interval", "0.1-0.3", "--duration", "6s", "--json", "--store", os.path.join(folder, "s.db"))
    sub = lab.Subscriber(port, ["iot/#"])
    sub.wait("iot/telemetry/", 20)
    check(p.end() == 0, f"exit code: {p.err.all[-3:]}")
    sub.close()
    summary = json.loads(p.text())
    ids = [d["device_id"] for d in summary["devices"]]
    check(len(set(ids)) == 5 and ids[3].startswith("02:"), f"ids {ids}")
    check([d["device_name"] for d in summary["devices"]] == [f"edge-device-{i:02}" for i in range(1, 6)], "names")
    check(summary["unacknowledged"] == summary["dropped"] == summary["resent"] == 0, "every message is acknowledged once")
    check(summary["acknowledged"] == summary["published"] == summary["telemetry_sent"] + 10, "telemetry, online and offline")
    for d in summary["devices"]:
        seen = [m for t, m in sub.json("iot/telemetry/") if t == "iot/telemetry/" + d["device_id"]]
        numbers = [m["seq"] for m in seen]
        check(numbers == list(range(numbers[0], d["telemetry_sent"] + 1)), f"seq of {d['device_id']}: {numbers}")
        for m in seen:
            check(set(m) == {"data", "device_id", "ts", "seq"}, f"fields {m}")
            check(sorted(m["data"]) == ["co", "humidity", "light", "lpg", "motion", "smoke", "temp"], f"data {m}")
            check(isinstance(m["data"]["light"], bool) and isinstance(m["ts"], (int, float)), f"types {m}")
        states = [(payload, kept) for t, payload, kept in sub.messages("iot/status/") if t.endswith(d["device_id"])]
        check(states[-1] == (b"offline", False), f"status {states}")
    rows = sqlite3.connect(os.path.join(folder, "s.db")).execute("select count(*), count(distinct topic) from messages").fetchone()
    check(rows == (summary["published"], 10), f"store {rows}")
    nothing_left(folder)


def analyses_and_metrics(folder):
    if not lab.has_model():
        return "skipped: no model"
    p, port = start(folder, "--devices", "3", "--llm-devices", "1,3", *LLM, "--interval", "0.2-0.4", "--inferences", "12", "--json")
    sub = lab.Subscriber(port, ["iot/#"])
    check(p.end(180) == 0, f"exit code: {p.err.all[-3:]}")
    sub.close()
    log = "\n".join(p.err.all)
    check("Compute device: cpu" in log and "LLM Inference: Enabled" in log, "log wording")
    check("is not in the dataset" not in log, "a fallback that the fleet chose is no warning")
    summary = json.loads(p.text())
    check(summary["inferences"] == 12 and summary["errors"] == 0, f"{summary['inferences']} inferences")
    check(summary["devices"][1]["inferences"] == 0 and summary["devices"][1]["metrics_file"] is None, "device 2 has no LLM")
    analyses, telemetry = sub.json("iot/analysis/"), [m for _, m in sub.json("iot/telemetry/")]
    metrics = [(t, m) for t, m in sub.json("iot/metrics/") if not t.endswith("/summary")]
    summaries = [(t, m) for t, m in sub.json("iot/metrics/") if t.endswith("/summary")]
    check(len(metrics) == len(summaries) and len(metrics) >= 11, f"{len(metrics)} metrics, {len(summaries)} summaries")
    for topic, a in analyses:
        check(set(a) == {"device_id", "timestamp", "analysis", "telemetry"}, f"fields {sorted(a)}")
        check(topic == "iot/analysis/" + a["device_id"] and a["telemetry"] in telemetry and a["telemetry"]["seq"] % 2 == 0, f"{a}")
    for _, m in metrics:
        missing = [k for k in SEED + OURS if k not in m]
        check(not missing, f"missing {missing}")
        check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", m["timestamp"]), m["timestamp"])
        check(m["completion_tokens"] <= 12 and m["batch_size"] == 1 and m["memory_used_mb"] < m["memory_total_mb"], f"{m}")
        if m["energy_source"] == "estimate":
            wanted = (5 + 10 * m["cpu_percent_avg"] / 100) * m["inference_time_seconds"] * 1000
            check(abs(wanted - m["energy_consumed_mj"]) < wanted * 0.001 + 2, f"estimate {m['energy_consumed_mj']}, expected {wanted}")
    # Like requests occupy alike: the first, which writes to fresh memory, is not charged for that twice.
    used = [m["memory_used_mb"] for _, m in metrics]
    check(max(used) < 1.5 * min(used), f"memory of inferences: {used}")
    files = glob.glob(os.path.join(folder, "metrics", "*", "*.json"))
    check(len(files) == 2, f"files {files}")
    total = 0
    for path in files:
        data = json.load(open(path, encoding="utf-8"))
        s = data["summary"]
        row = next(d for d in summary["devices"] if d["device_id"] == s["device_id"])
        for printed, saved in ((row["tokens_per_second"], s["tokens_per_second"]["avg"]), (row["inference_time_ms_avg"], s["inference_time_ms"]["avg"])):
            check(abs(printed - saved) < 0.05, f"the run's table says {printed}, its metrics file {saved}")
        total += s["total_inferences"]
        check(len(data["detailed_metrics"]) == s["total_inferences"] and "model_loading" in data, "file")
        # The seed's comparison script, in its words.
        print(f"  Avg Inference Time: {s['inference_time_ms']['avg']:.2f} ms")
        print(f"  Avg Memory Usage: {s['memory_usage_mb']['avg']:.2f} MB")
        print(f"  Avg CPU Usage: {s['cpu_usage_percent']['avg']:.2f}%")
        print(f"  Total Energy: {s['energy_consumption_mj']['total']:.2f} mJ")
    check(total == 12, f"{total} inferences in the files")
    nothing_left(folder)


def names_the_source_that_was_used(folder):
    """A RAPL counter that stands still, as some virtual machines have: the table says what the records say."""
    if not lab.has_model():
        return "skipped: no model"
    zone = os.path.join(folder, "machine", "sys", "class", "powercap", "intel-rapl:0")
    os.makedirs(zone)
    for name, value in (("name", "package-0"), ("energy_uj", "1000"), ("max_energy_range_uj", "262143328850")):
        with open(os.path.join(zone, name), "w", encoding="ascii") as f:
            f.write(value + "\n")
    p, _ = start(folder, *LLM, "--interval", "0.1", "--inferences", "1", "--llm-max-new-tokens", "40", "--json",
                 WATTLE_SYSROOT=os.path.join(folder, "machine"))
    check(p.end(60) == 0, f"exit code: {p.err.all[-3:]}")
    summary = json.loads(p.text())
    record = json.load(open(summary["devices"][0]["metrics_file"], encoding="utf-8"))["detailed_metrics"][0]
    check(summary["energy_source"] == record["energy_source"] == "estimate", f"{summary['energy_source']}, {record['energy_source']}")
    nothing_left(folder)


def ends_in_the_middle(folder):
    """SIGINT and SIGTERM while an inference runs: soon, everything saved, the cancelled one not recorded."""
    if not lab.has_model():
        return "skipped: no model"
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 0)):
        p, port = start(folder, "--devices", "2", "--enable-llm", "--llm-model", lab.MODEL, "--llm-inference-interval", "1",
                        "--interval", "0.2-0.3", "--llm-max-new-tokens", "150", "--llm-temperature", "2", "--llm-top-p", "1", "--json")
        sub = lab.Subscriber(port, ["iot/#"])
        sub.wait("iot/metrics/", 2, 120)
        since = time.monotonic()
        p.signal(number)  # both devices are always due: the next inference runs already
        check(p.end(20) == code, f"exit code, expected {code}; {p.err.all[-3:]}")
        check(time.monotonic() - since < 5, f"took {time.monotonic() - since:.1f} s to end")
        sub.close()
        summary = json.loads(p.text())
        check(summary["unacknowledged"] == 0, "all that was published is acknowledged")
        files = [d["metrics_file"] for d in summary["devices"] if d["metrics_file"]]
        saved = sum(json.load(open(f, encoding="utf-8"))["summary"]["total_inferences"] for f in files)
        check(saved == summary["inferences"] > 0, f"{saved} saved of {summary['inferences']}")
        check(len(sub.messages("iot/analysis/")) <= saved, "no analysis without a record")
        nothing_left(folder)


def keeps_what_it_has_without_a_reader(folder):
    """`wattle run | head`: quietly, as other programs end, but not before everything is saved; then those that only print."""
    def unread(*args):
        ours, its = os.pipe()
        os.close(ours)
        p = subprocess.run([lab.WATTLE, *args], env=lab.environment(TMPDIR=folder), stdin=subprocess.PIPE, stdout=its, stderr=subprocess.PIPE, timeout=lab.PATIENCE)
        os.close(its)
        check(p.returncode == -signal.SIGPIPE, f"{args}: {p.returncode} {p.stderr}")
        check(b"ipe" not in p.stderr and b"standard output" not in p.stderr, f"{args}: {p.stderr}")
    metrics = os.path.join(folder, "metrics")
    llm = [*LLM, "--inferences", "2"] if lab.has_model() else ["--duration", "500ms"]
    unread("run", "--interval", "0.1", "--metrics-dir", metrics, "--store", os.path.join(folder, "s.db"), *llm)
    check(sqlite3.connect(os.path.join(folder, "s.db")).execute("select count(*) from messages").fetchone()[0] > 2, "the store")
    nothing_left(folder)
    if not lab.has_model():
        return "the rest skipped: no model"
    device = os.path.join(metrics, "edge-device-01")
    check(json.load(open(glob.glob(device + "/*.json")[0], encoding="utf-8"))["summary"]["total_inferences"] == 2, "the metrics file")
    text = os.path.join(folder, "t.txt")
    with open(text, "w", encoding="utf-8") as f:
        f.write("The pump runs warm and the valve stays shut. " * 20)
    lines = os.path.join(folder, "in.jsonl")
    with open(lines, "w", encoding="utf-8") as f:
        f.write('{"case":1,"text":"warm"}\n' * 9)
    unread("report", device)
    unread("compare", device, device)
    unread("generate", "--model", lab.MODEL, "--prompt", "hello", "--llm-max-new-tokens", "50")
    unread("tokenize", "--model", lab.MODEL, "--input", lines)
    unread("eval", "--model", lab.MODEL, "--text", text)


def fails_when_nothing_worked(folder):
    port = lab.free_port()
    code, out, err = lab.run("run", "--duration", "300ms", "--interval", "0.05", "--json", "--mqtt-broker", "127.0.0.1", "--mqtt-port", str(port))
    check(code == 1 and json.loads(out)["acknowledged"] == 0, f"{code} {out}")
    check(err.splitlines()[-1] == f"wattle run: no message was ever acknowledged by 127.0.0.1:{port}: Connection refused", err)
    if not lab.has_model():
        return "the rest skipped: no model"
    for n, words in (("1", "the only inference failed: "), ("3", "all 3 inferences failed: ")):
        code, out, err = lab.run("run", "--interval", "0.1", "--metrics-dir", os.path.join(folder, "metrics"), *LLM, "--llm-max-length", "1",
                                 "--inferences", n, "--json", TMPDIR=folder)
        check(code == 1 and json.loads(out)["errors"] == int(n), f"{code} {out}")
        check(err.splitlines()[-1].startswith("wattle run: " + words), err)
    nothing_left(folder)


def columns(out):
    """The table of a run by its columns' names, and the line of sums under it. Columns end under the end of their name."""
    head, *rows = out.split("\n\n")[0].splitlines()
    names = re.split(r"  +", head)
    values = [re.sub(r"/ +", "/", row).split() for row in rows]
    check(values and all(len(v) == len(names) for v in values), out)
    return {n: [v[i] for v in values] for i, n in enumerate(names)}, out.rstrip().splitlines()[-1]


def what_became_of_messages(folder):
    """Refused, dropped, restored and on disk: in the table where there are any, always in --json."""
    rare = {"refused", "dropped", "restored", "on disk"}
    port = lab.free_port()
    args = ["run", "--devices", "2", "--interval", "0.05", "--metrics-dir", os.path.join(folder, "metrics"), "--mqtt-broker", "127.0.0.1", "--mqtt-port", str(port)]
    # Nobody is there: all waits on disk.
    code, out, err = lab.run(*args, "--duration", "700ms", seconds=60)
    table, sums = columns(out)
    check(code == 1 and rare & set(table) == {"on disk"}, f"{code} {out} {err}")
    kept = [int(n) for n in table["on disk"]]
    check(all(k >= int(sent) > 1 for k, sent in zip(kept, table["sent"])), out)
    check(f", {sum(kept)} on disk for the next start; " in sums and "restored" not in sums, sums)
    code, out, err = lab.run(*args, "--duration", "700ms", "--json", seconds=60)
    summary = json.loads(out)
    check(code == 1 and [d["restored"] for d in summary["devices"]] == kept and summary["restored"] == sum(kept), f"{out} {err}")
    check(summary["on_disk"] == sum(d["on_disk"] for d in summary["devices"]) > sum(kept), out)
    check(summary["refused"] == summary["dropped"] == summary["acknowledged"] == 0, out)
    # A broker that takes nothing so large as telemetry.
    broker = lab.Broker(folder, port=port, config="allow_anonymous true\nmax_packet_size 120\n")
    code, out, err = lab.run(*args, "--duration", "2s", seconds=60)
    table, sums = columns(out)
    check(code == 0 and rare & set(table) == {"refused", "restored"}, f"{code} {out} {err}")
    check(sum(map(int, table["restored"])) == summary["on_disk"], out)
    check(f", {summary['on_disk']} from the queue of an earlier start; " in sums, sums)
    refused = sum(map(int, table["refused"]))
    check(refused >= sum(map(int, table["sent"])) > 0 and f", {refused} refused by the broker; " in sums, out)
    code, out, err = lab.run(*args, "--duration", "1s", "--json", seconds=60)
    summary = json.loads(out)
    check(code == 0 and summary["refused"] == sum(d["refused"] for d in summary["devices"]) > 0, f"{code} {out} {err}")
    check(summary["restored"] == summary["on_disk"] == 0, out)
    broker.kill()
    # Room for one message each.
    code, out, err = lab.run(*args, "--duration", "700ms", "--mqtt-queue-max", "1", seconds=60)
    table, sums = columns(out)
    check(code == 1 and rare & set(table) == {"dropped", "on disk"} and all(int(n) > 0 for n in table["dropped"]), f"{code} {out} {err}")
    check(f", {sum(map(int, table['dropped']))} dropped, " in sums, sums)
    # And where all goes well there is none of it.
    code, out, err = lab.run("run", "--interval", "0.05", "--duration", "700ms", "--metrics-dir", os.path.join(folder, "m"), TMPDIR=folder, seconds=60)
    table, sums = columns(out)
    check(code == 0 and not rare & set(table) and not re.search("refused|restored|on disk|earlier start", sums), f"{code} {out} {err}")


def leaves_nothing_behind(folder):
    p, port = start(folder, "--devices", "1", "--interval", "0.05")
    p.signal(signal.SIGKILL)
    p.end()
    nothing_left(folder)
    # Ctrl-C twice, the second at once.
    p, port = start(folder, "--devices", "1", "--interval", "0.05")
    p.signal(signal.SIGINT)
    p.signal(signal.SIGINT)
    check(p.end(10) == 130, "exit code")
    nothing_left(folder)


def keeps_its_end(folder):
    """SIGTERM again and again: the first counts, whenever the others come; the summary is printed."""
    store = os.path.join(folder, "s.db")
    for _ in range(3):
        p, port = start(folder, "--devices", "20", "--interval", "0.02", "--json", "--store", store)
        sub = lab.Subscriber(port, ["iot/#"])
        sub.wait("iot/telemetry/", 5)
        while p.process.poll() is None:
            p.signal(signal.SIGTERM)
            time.sleep(0.001)
        check(p.end(10) == 0, f"exit code {p.process.returncode}")
        sub.close()
        summary = json.loads(p.text())
        check(summary["acknowledged"] == summary["published"] > 0, f"{summary['acknowledged']} of {summary['published']}")
        with sqlite3.connect(store) as db:
            check(db.execute("select count(*) from messages").fetchone() == (summary["published"],), "the store has them all")
        os.remove(store)
        nothing_left(folder)


def ends_while_it_starts(folder):
    """A signal before the first message, here while the dataset is being read."""
    slow = os.path.join(folder, "slow.csv")
    os.mkfifo(slow)
    for command in ("run", "device"):
        for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
            p = lab.Program(command, TMPDIR=folder, DATASET_PATH=slow)
            with open(slow, "wb"):  # returns when it has opened its end
                p.signal(number)
                check(p.end(10) == code, f"{command}, signal {number}: exit code {p.process.returncode}")
    nothing_left(folder)


def says_what_it_would_use(folder):
    code, out, _ = lab.run("run", "--print-config", "--json", TMPDIR=folder)
    shown = {row["name"]: (row["value"], row["source"]) for row in json.loads(out)}
    check(code == 0 and shown["MQTT_BROKER"] == ("private broker", "default") and shown["MQTT_PORT"] == ("free port", "default"), f"{shown}")
    code, out, _ = lab.run("run", "--help")
    usage = out.split("Usage\n")[1].split("\n\n")[0]
    check(code == 0 and "…" not in usage and all(w in usage for w in ("--devices N", "--llm-model MODEL", "--duration TIME", "--json")), usage)


def gets_along_with_few_files(folder):
    """36 for one device, which must do; a soft limit is raised; a hard one that is too low is said."""
    quick = ["--interval", "0.05", "--duration", "500ms", "--json", "--store", os.path.join(folder, "s.db")]
    llm = [*LLM, "--llm-inference-interval", "1", "--llm-max-new-tokens", "2", "--metrics-dir", os.path.join(folder, "metrics")] if lab.has_model() else []
    for args, files in (([], (36, 36)), (["--devices", "30"], (36, 152))):
        code, out, err = lab.run("run", *quick, *args, *llm, files=files, TMPDIR=folder)
        check(code == 0 and json.loads(out)["unacknowledged"] == 0, f"{args} with {files}: {code} {err}")
        check(" error: " not in err and "Too many" not in err, err)
    for n, hard, words in (("1", 35, "1 device needs 36 open files, the system allows 35 (ulimit -Hn)"),
                           ("30", 151, "30 devices need 152 open files, the system allows 151 (ulimit -Hn)")):
        code, out, err = lab.run("run", *quick, "--devices", n, files=(30, hard), TMPDIR=folder)
        check(code == 1 and err.splitlines()[-1] == "wattle run: " + words, f"{code} {err}")
    nothing_left(folder)


def refuses_what_is_wrong(folder):
    for args, words in (
        (["--devices", "0"], ["devices", "0"]),
        (["--devices", "3", "--enable-llm", "--llm-model", lab.DATASET, "--llm-devices", "1,4"], ["llm-devices", "'4'"]),
        (["--devices", "3", "--enable-llm", "--llm-model", lab.DATASET, "--llm-devices", "1,,2"], ["llm-devices", "''"]),
        (["--devices", "3", "--llm-devices", "1"], ["llm-devices", "enable-llm"]),
        (["--inferences", "3"], ["inferences", "enable-llm"]),
        (["--interval", "5-1"], ["5-1"]),
        (["--duration", "soon"], ["duration", "soon"]),
    ):
        code, out, err = lab.run("run", *args, TMPDIR=folder)
        check(code == 2, f"{args}: exit code {code}, {err}")
        check(all(w in err for w in words) and err.count("wattle run:") == 1 and not out, f"{args}: {err}")
    for env, word in (({"ENABLE_LLM": "maybe"}, "ENABLE_LLM"), ({"LLM_TEMPERATURE": "hot"}, "LLM_TEMPERATURE"), ({"MQTT_PORT": "99999"}, "MQTT_PORT")):
        code, _, err = lab.run("run", TMPDIR=folder, **env)
        check(code == 2 and word in err and list(env.values())[0] in err, f"{env}: {code} {err}")
    code, _, err = lab.run("run", TMPDIR=folder, DATASET_PATH=os.path.join(folder, "absent.csv"))
    check(code == 1 and "absent.csv" in err, f"{code} {err}")
    for command in ("run", "device"):
        code, _, err = lab.run(command, TMPDIR=folder, HOME="", ENABLE_LLM="1", LLM_MODEL_NAME="acme/none")
        check(code == 1 and "HOME is not set and HF_HOME is not given" in err, f"{code} {err}")
    if lab.has_model():
        for args in (["--metrics-dir", lab.DATASET], ["--metrics-dir", lab.DATASET + "/below"]):
            code, _, err = lab.run("run", *LLM, *args, TMPDIR=folder)
            check(code == 1 and err.splitlines()[-1].startswith("wattle run: METRICS_DIR: "), f"{code} {err}")
    nothing_left(folder)


if __name__ == "__main__":
    lab.find("mosquitto"), lab.find("mosquitto_sub")
    tests = [telemetry_of_a_fleet, analyses_and_metrics, names_the_source_that_was_used, ends_in_the_middle, keeps_what_it_has_without_a_reader, fails_when_nothing_worked, what_became_of_messages, leaves_nothing_behind, keeps_its_end, ends_while_it_starts,
             gets_along_with_few_files, says_what_it_would_use, refuses_what_is_wrong]
    lab.main(*[t for t in tests if len(sys.argv) < 2 or t.__name__ in sys.argv[1:]])
