# SPDX-License-Identifier: MIT
"""wattle compare --models: the same readings through several models in turns, and what is saved of them."""
import glob
import json
import os
import signal
import sys

import lab
from lab import check

NO_TOKENIZER = os.path.join(lab.SOURCE, "tests", "golden", "gguf", "llama-mha-q4_0.gguf")
PATIENCE = 4 * lab.PATIENCE
FEW = ["--llm-max-new-tokens", "8", "--llm-temperature", "0"]


def compare(models, *args, expected=0, **env):
    code, out, err = lab.run("compare", "--models", models, *FEW, "--format", "json", *args, seconds=PATIENCE, **env)
    check(code == expected, f"exit code {code}: {err[-600:]}")
    return json.loads(out) if out else None, err


def records(folder):
    """Model -> its records, from the files that were saved."""
    found = {}
    for path in glob.glob(os.path.join(folder, "*", "*.json")):
        with open(path) as f:
            found[os.path.basename(os.path.dirname(path))] = json.load(f)
    return found


def one_model_twice(folder):
    """No difference can be told; on a machine that others use, one attempt of two may be disturbed in favour of one side."""
    for attempt in range(2):
        saved = os.path.join(folder, f"twice{attempt}")
        report, _ = compare(f"{lab.MODEL},{lab.MODEL}", "--inferences", "10", "--metrics-dir", saved)
        names = [m["name"] for m in report["models"]]
        check(names[1] == names[0] + "-2", f"names {names}")
        check(report["alternated"] is True and report["noise_percent"] > 0, "in turns, noise measured")
        told = [k for k, v in report["best"].items() if v and v["told"]]
        files = records(saved)
        a, b = (files[n]["detailed_metrics"] for n in names)
        check(len(a) == len(b) == 10, "10 records of each")
        for x, y in zip(a, b):
            for field in ["request", "verdict", "prompt_tokens", "cached_tokens", "completion_tokens", "prompt_length", "response_length", "device_id"]:
                check(x[field] == y[field], f"{field}: {x[field]} and {y[field]}")
            check(abs(x["memory_total_mb"] - y["memory_total_mb"]) < 1, f"memory {x['memory_total_mb']} and {y['memory_total_mb']}")
        check(len({x["request"] for x in a}) == 10, "10 different readings")
        check(min(x["cached_tokens"] for x in a) > 50, "the prompt's beginning was warm before the first that counts")
        if not told:
            return
    raise AssertionError(f"told apart twice: {told}")


def order_goes_round(folder):
    """By the stamps: each of three models comes first, second and third equally often in 6 rounds, and after each other."""
    saved = os.path.join(folder, "order")
    compare(",".join([lab.MODEL] * 3), "--inferences", "6", "--metrics-dir", saved)
    files = records(saved)
    events = sorted((r["timestamp"], r["request"], name) for name, f in files.items() for r in f["detailed_metrics"])
    check(len(events) == 18, f"{len(events)} inferences")
    rounds = [events[i:i + 3] for i in range(0, 18, 3)]
    places = {}
    follows = {}
    for r in rounds:
        check(len({request for _, request, _ in r}) == 1, "one reading a round")
        order = [name for _, _, name in r]
        check(len(set(order)) == 3, f"each model once a round: {order}")
        for place, name in enumerate(order):
            places[name, place] = places.get((name, place), 0) + 1
        for x, y in zip(order, order[1:]):
            follows[x, y] = follows.get((x, y), 0) + 1
    check(set(places.values()) == {2} and len(places) == 9, f"places {places}")
    check(set(follows.values()) == {2} and len(follows) == 6, f"who follows whom {follows}")


def same_numbers_from_folders(folder):
    saved = os.path.join(folder, "same")
    report, _ = compare(f"{lab.MODEL},{lab.MODEL}", "--inferences", "6", "--metrics-dir", saved, "--power-profile", "pi4")
    names = [m["name"] for m in report["models"]]
    code, out, err = lab.run("compare", "--format", "json", *[os.path.join(saved, n) for n in names])
    check(code == 0, f"exit code {code}: {err}")
    again = json.loads(out)
    for m, n in zip(report["models"], again["models"]):
        for key in ["inference_time_ms", "energy_consumed_j", "memory_total_mb"]:
            x, y = m["metrics"][key]["mean"], n["metrics"][key]["mean"]
            check(abs(x - y) <= 0.006 + 1e-3 * abs(x), f"{key}: {x} when measured, {y} from the folder")
    check(again["best"]["speed"]["difference"]["paired"], "answers to the same reading are pairs again")
    check(again["alternated"] is True and not any("in turns" in w for w in again["warnings"]), f"turns: {again['warnings']}")
    for key in ["reference", "no_agreement", "quality_metric"]:
        check(report[key] == again[key], f"{key}: {report[key]} when measured, {again[key]} from the folder")
    for m, n in zip(report["models"], again["models"]):
        for key in ["agreement", "valid_verdict"]:
            x, y = ({k: v for k, v in d["metrics"][key].items() if k in ("n", "mean")} for d in (m, n))
            check(x == y, f"{key}: {x} when measured, {y} from the folder")
    check(report["power_profile"] == "Raspberry Pi 4 Model B" and (report["idle_w"], report["max_w"]) == (1.6, 5), "the board")
    for f in records(saved).values():
        check(f["summary"]["power_profile"] == f["model_loading"]["power_profile"] == "pi4", "the summary names the profile")
        for d in f["detailed_metrics"]:
            watts = d["energy_consumed_mj"] / d["inference_time_ms"]
            check(1.55 < watts < 5.05, f"{watts} W on a board of 1.6 to 5 W")


def others_go_on(folder):
    bad = os.path.join(folder, "broken.gguf")
    open(bad, "wb").write(b"GGUF" + b"\xff" * 100)
    report, err = compare(f"{bad},{lab.MODEL},{NO_TOKENIZER},nobody/nothing,{lab.MODEL}", "--inferences", "3", HF_HUB_OFFLINE="1")
    models = report["models"]
    check([m["inferences"] for m in models] == [0, 3, 0, 0, 3], f"inferences {[m['inferences'] for m in models]}")
    check([m["problem"] is None for m in models] == [False, True, False, False, True], f"problems {[m['problem'] for m in models]}")
    check("tokenizer" in models[2]["problem"], models[2]["problem"])
    _, err = compare(f"{bad},{NO_TOKENIZER}", "--inferences", "3", expected=1)
    check("no inference of any of the 2 models was good" in err, err[-300:])


def one_at_a_time(folder):
    """On a machine with too little memory for both each takes four readings a turn."""
    os.makedirs(os.path.join(folder, "sys", "proc"))
    size = os.path.getsize(lab.MODEL) // 1024
    with open(os.path.join(folder, "sys", "proc", "meminfo"), "w") as f:
        f.write(f"MemTotal: {3 * size} kB\nMemAvailable: {2 * size} kB\n")
    saved = os.path.join(folder, "turns")
    report, _ = compare(f"{lab.MODEL},{lab.MODEL}", "--inferences", "6", "--metrics-dir", saved, WATTLE_SYSROOT=os.path.join(folder, "sys"))
    check(any("one was open at a time" in w for w in report["warnings"]), f"warnings {report['warnings']}")
    events = sorted((r["timestamp"], name) for name, f in records(saved).items() for r in f["detailed_metrics"])
    a, b = (m["name"] for m in report["models"])
    check([name for _, name in events] == [a] * 4 + [b] * 6 + [a] * 2, f"order {events}")
    code, out, err = lab.run("compare", "--json", *[os.path.join(saved, n) for n in (a, b)])
    check(code == 0 and json.loads(out)["alternated"] is False, f"six readings are not two whole turns of four: {err}")


def wrong_usage(_):
    for args, part in [
        (["--models", lab.MODEL], "one model, expected two at least"),
        (["--models", f"{lab.MODEL},,{lab.MODEL}"], "an empty name"),
        (["--models", f"{lab.MODEL},{lab.MODEL}", "--reference", "x"], "expected one of --models"),
        (["--models", f"{lab.MODEL},{lab.MODEL}", "--power-profile", "pi55"], "did you mean 'pi5'?"),
        (["--models", f"{lab.MODEL},{lab.MODEL}", "--power-profile", "pi5", "--power-max-w", "1"], "less than the 2.8 W"),
        (["--models", f"{lab.MODEL},{lab.MODEL}", "folder"], "--models"),
        (["--inferences", "3", "folder"], "--inferences: without --models"),
    ]:
        code, _, err = lab.run("compare", *args)
        check(code == 2 and part in err, f"{args}: {code} {err}")


def interrupted(folder):
    p = lab.Program("compare", "--models", f"{lab.MODEL},{lab.MODEL}", "--duration", "1h", *FEW, "--format", "json",
                    "--metrics-dir", os.path.join(folder, "cut"))
    p.err.wait(lambda s: s.startswith("round "), "the first round")
    p.signal(signal.SIGINT)
    check(p.end(PATIENCE) == 130, "exit code 130")
    report = json.loads(p.text())
    counts = [m["inferences"] for m in report["models"]]
    check(counts[0] == counts[1] >= 1, f"whole rounds: {counts}")
    check(any("interrupted after" in w for w in report["warnings"]), f"{report['warnings']}")
    check(all(len(f["detailed_metrics"]) == counts[0] for f in records(os.path.join(folder, "cut")).values()), "saved")


def duration_ends_it(_):
    report, _ = compare(f"{lab.MODEL},{lab.MODEL}", "--duration", "1s", "--perplexity", os.path.join(lab.SOURCE, "LICENSE"))
    counts = [m["inferences"] for m in report["models"]]
    check(counts[0] == counts[1] >= 1, f"whole rounds: {counts}")
    for m in report["models"]:
        check(1 < m["perplexity"] < 1000 and 0 < m["bits_per_byte"] < 8, f"perplexity {m['perplexity']}, {m['bits_per_byte']} bits a byte")


if __name__ == "__main__":
    if not lab.has_model():
        print("skipped: no model at models/ or WATTLE_MODEL")
        sys.exit(lab.SKIP)
    lab.main(wrong_usage, one_model_twice, order_goes_round, same_numbers_from_folders, others_go_on, one_at_a_time, interrupted, duration_ends_it)
