#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Speed of wattle beside llama.cpp's (and Hugging Face transformers'), on the same files, alternately, in one run.

    bench/build_llama_cpp.sh PEERS                                    # once
    bench/peers.py --peers PEERS/build/bin --goals                    # the goals: measured, met or not
    bench/peers.py --peers PEERS/build/bin --models a.gguf,b.gguf     # prefill and decode of these
    bench/peers.py --peers PEERS/build/bin --models a.gguf --busy 1   # beside a process that only counts
    bench/peers.py --transformers PYTHON --models FOLDER              # a Python that can import torch and transformers

A model SHAPE:TYPE (tinyllama-1.1b:q4_0) is made by `wattle synth` where it is missing, in the folder --made.

Inside the clock: for wattle what `wattle bench` reports, for llama.cpp what llama-bench and llama-batched-bench do: the forward
pass, neither start nor loading. The better of llama.cpp's two kinds of attention is chosen first. "analysis" is one request over
HTTP to each one's server, with one system text and readings that differ; "start" a process from its start to the end, with one
token; "memory" the most anonymous memory of that process. Every figure is the median of --rounds, in which the two take turns;
ratios above 1 are in wattle's favour. Standard library only.
"""
import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--wattle", default=os.path.join(HERE, "build", "wattle"))
parser.add_argument("--peers", help="folder with llama-bench and its like")
parser.add_argument("--models", default="", help="files, folders or SHAPE:TYPE, with commas between")
parser.add_argument("--made", default="made-models", help="where models of a SHAPE:TYPE are kept")
parser.add_argument("--goals", action="store_true", help="every goal, measured")
parser.add_argument("--only", default="", help="of the goals those whose name has this in it")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--prefill", type=int, default=256)
parser.add_argument("--decode", type=int, default=64)
parser.add_argument("--batch", type=int, default=0, help="also so many sequences together")
parser.add_argument("--busy", type=int, default=0, help="processes that only count, beside each measurement")
parser.add_argument("--transformers", metavar="PYTHON", help="compare with transformers in this Python")
parser.add_argument("--markdown", action="store_true")
parser.add_argument("--timeout", type=float, default=600, help="seconds for one measurement")
args = parser.parse_args()


def run(command, **kw):
    p = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=args.timeout, **kw)
    if p.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {p.returncode}: {p.stderr.strip().splitlines()[-1:]}")
    return p.stdout


def peer(name):
    path = os.path.join(args.peers or "", name)
    return path if args.peers and os.access(path, os.X_OK) else None


def model_path(name):
    if os.path.exists(name) or ":" not in name:
        return name
    shape, kind = name.split(":")
    path = os.path.join(args.made, f"{shape}-{kind}" + ("" if kind in ("hf", "bf16", "f32") else ".gguf"))
    if not os.path.exists(path):
        os.makedirs(args.made, exist_ok=True)
        run([args.wattle, "synth", shape, "--output", path] + ([] if kind == "hf" else ["--type", kind]))
    return path


# ---- one measurement each ----

def wattle_speed(model, prefill, decode, batch=0):
    out = json.loads(run([args.wattle, "bench", "--model", model, "--threads", str(args.threads), "--prefill", str(prefill), "--decode",
                          str(decode), "--depth", "0", "--runs", "1", "--json"]))
    found = {}
    for row in out["results"]:
        found[row["test"] if row["batch"] == 1 else f"batch {row['batch']}"] = row["tokens_per_second"]
        work = row["bytes_read_per_token"] / 1e9 / out["limits"]["read_gb_s"] if row["test"] == "decode" else \
            row["multiply_adds_per_token"] / 1e9 / out["limits"]["int8_gmac_s"]
        found[row["test"] + " of limit"] = work * row["tokens_per_second"]
    return found


attention = {}  # by model: the flag with which llama.cpp is fastest


def llama_speed(model, prefill, decode, flag=None):
    flag = flag or attention.get(model, "0")
    rows = json.loads(run([peer("llama-bench"), "-m", model, "-t", str(args.threads), "-p", str(prefill), "-n", str(decode), "-r", "1",
                           "-fa", flag, "-o", "json"]))
    return {"prefill" if r["n_prompt"] else "decode": r["avg_ts"] for r in rows}


def choose_attention(model, prefill, decode):
    speed = {flag: llama_speed(model, prefill, decode, flag) for flag in ("0", "1")}
    attention[model] = max(speed, key=lambda f: sum(speed[f][t] / max(speed["0"][t], 1e-9) for t in speed[f]))


def llama_batch(model, batch):
    out = run([peer("llama-batched-bench"), "-m", model, "-c", str(batch * (32 + args.decode)), "-npp", "32", "-ntg", str(args.decode), "-npl",
               str(batch), "-t", str(args.threads), "--output-format", "jsonl"])
    rows = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return {f"batch {batch}": rows[-1]["speed_tg"]}


def process(command):
    """A process's seconds and its most anonymous memory, in MB."""
    began, most = time.monotonic(), 0
    p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while p.poll() is None:
        try:
            with open(f"/proc/{p.pid}/smaps_rollup", encoding="ascii") as f:
                for line in f:
                    if line.startswith("Anonymous:"):
                        most = max(most, int(line.split()[1]) / 1024)
        except OSError:
            pass
        try:
            p.wait(0.02)
        except subprocess.TimeoutExpired:
            pass
    if p.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {p.returncode}")
    return time.monotonic() - began, most


def wattle_process(model, tokens):
    return process([args.wattle, "generate", "--model", model, "--raw", "--prompt", "The temperature is", "--llm-temperature", "0",
                    "--llm-max-length", "512", "--llm-max-new-tokens", str(tokens), "--llm-threads", str(args.threads)])


def llama_process(model, tokens):
    if peer("llama-completion"):
        return process([peer("llama-completion"), "-m", model, "-t", str(args.threads), "-c", "512", "-n", str(tokens), "-p",
                        "The temperature is", "-no-cnv", "--no-warmup", "--temp", "0"])
    return process([peer("llama-bench"), "-m", model, "-t", str(args.threads), "-p", "4", "-n", str(tokens), "-r", "1", "--no-warmup"])


SYSTEM = "You are a sensor analyst for IoT edge devices. Each message is one reading of one device: temperature in °C, relative humidity " \
    "in %, carbon monoxide (CO), liquefied petroleum gas (LPG) and smoke as gas ratios (ppm-like), and whether light and motion were " \
    "detected. Answer in two or three sentences: say whether the readings are normal or unusual, and name the values that stand out."


class Server:
    """One of the two servers; ask() gives seconds for one analysis."""

    def __init__(self, command, port, path):
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(self.url + path, timeout=5).read()
                return
            except (OSError, urllib.error.URLError) as e:
                if time.monotonic() > end or self.process.poll() is not None:
                    self.close()
                    raise RuntimeError(f"{command[0]} does not answer") from e
                time.sleep(0.1)

    def ask(self, n):
        reading = f"Analyze this telemetry.\nDevice: b8:27:eb:bf:9d:51\nReading: temp {20 + n % 7}.{n % 10} °C, humidity {50 + n % 9} %, co 0.00{n % 5}4"
        body = json.dumps({"model": "m", "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": reading}],
                           "max_tokens": 64, "temperature": 0, "ignore_eos": True, "cache_prompt": True}).encode()
        request = urllib.request.Request(self.url + "/v1/chat/completions", body, {"Content-Type": "application/json"})
        began = time.monotonic()
        answer = json.load(urllib.request.urlopen(request, timeout=args.timeout))
        seconds, tokens = time.monotonic() - began, answer["usage"]["completion_tokens"]
        if tokens != 64:
            raise RuntimeError(f"an answer of {tokens} tokens, expected 64: another model is needed")
        return {"analysis": 1 / seconds}

    def close(self):
        self.process.terminate()
        self.process.wait()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


TRANSFORMERS = """
import json, sys, time, torch, transformers
folder, threads, prefill, decode = sys.argv[1], *map(int, sys.argv[2:5])
torch.set_num_threads(threads)
m = transformers.AutoModelForCausalLM.from_pretrained(folder, torch_dtype="auto").eval()
ids = torch.randint(0, m.config.vocab_size, (1, prefill))
def run():
    with torch.inference_mode():
        t0 = time.perf_counter(); out = m(ids, use_cache=True); t1 = time.perf_counter(); past = out.past_key_values
        for _ in range(decode):
            out = m(out.logits[:, -1:].argmax(-1), past_key_values=past, use_cache=True); past = out.past_key_values
        return prefill / (t1 - t0), decode / (time.perf_counter() - t1)
run()
p, d = run()
print(json.dumps({"prefill": p, "decode": d}))
"""


def transformers_speed(model, prefill, decode):
    return json.loads(run([args.transformers, "-c", TRANSFORMERS, model, str(args.threads), str(prefill), str(decode)]).splitlines()[-1])


# ---- taking turns ----

def take_turns(ours, theirs, busy=0, rounds=None):
    """Medians of both, by the names of what they measured; each is run once before it counts."""
    counting = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
    found = ({}, {})
    try:
        ours(), theirs()
        for r in range(rounds or args.rounds):
            for side in ((0, 1) if r % 2 == 0 else (1, 0)):
                for name, value in (ours, theirs)[side]().items():
                    found[side].setdefault(name, []).append(value)
    finally:
        for p in counting:
            p.kill()
            p.wait()
    return [{name: statistics.median(values) for name, values in side.items()} for side in found]


def speeds(model, prefill, decode, busy=0):
    if not args.transformers:
        choose_attention(model, prefill, decode)
    theirs = transformers_speed if args.transformers else llama_speed
    return take_turns(lambda: wattle_speed(model, prefill, decode), lambda: theirs(model, prefill, decode), busy)


cache = {}


def speeds_once(name):
    if name not in cache:
        cache[name] = speeds(model_path(name), args.prefill, args.decode)
    return cache[name]


# ---- the goals ----
# Each gives (wattle, peer, ratio in wattle's favour, share of the limit or None), or text: why it was not measured.

def goal_speed(name, test):
    ours, theirs = speeds_once(name)
    return ours[test], theirs[test], ours[test] / theirs[test], ours.get(test + " of limit")


def goal_batch(name):
    ours, _ = speeds_once(name)
    if "batch 8" not in ours:
        return "wattle bench has no batched decode yet"
    mine, theirs = take_turns(lambda: wattle_speed(model_path(name), 32, args.decode), lambda: llama_batch(model_path(name), 8))
    return mine["batch 8"], theirs["batch 8"], mine["batch 8"] / theirs["batch 8"], None


def goal_busy(name):
    ours, theirs = speeds(model_path(name), 32, 16, busy=1)
    return ours["decode"], theirs["decode"], ours["decode"] / theirs["decode"], None


def goal_analysis(name):
    if not peer("llama-server"):
        return "llama-server is not there"
    model, port, other = model_path(name), free_port(), free_port()
    count = [0]

    def asker(server):
        def ask():
            count[0] += 1
            return server.ask(count[0])
        return ask
    mine = Server([args.wattle, "serve", "--llm-model", model, "--serve-port", str(port), "--llm-threads", str(args.threads)], port, "/v1/models")
    try:
        peers = Server([peer("llama-server"), "-m", model, "-t", str(args.threads), "-c", "2048", "-np", "1", "--host", "127.0.0.1", "--port",
                        str(other)], other, "/health")
        try:
            ours, theirs = take_turns(asker(mine), asker(peers))
        finally:
            peers.close()
    finally:
        mine.close()
    return ours["analysis"], theirs["analysis"], ours["analysis"] / theirs["analysis"], None


def goal_process(name, tokens, index):
    model = model_path(name)
    ours, theirs = take_turns(lambda: {"it": wattle_process(model, tokens)[index]}, lambda: {"it": llama_process(model, tokens)[index]})
    return ours["it"], theirs["it"], theirs["it"] / max(ours["it"], 1e-9), None


BIG, SMALL = "tinyllama-1.1b", "smollm2-135m"
GOALS = [
    # name, unit, ratio wanted, share of the limit wanted, measurement
    ("decode, 1.1B shape, Q8_0", "tokens/s", 1.1, 0.92, lambda: goal_speed(BIG + ":q8_0", "decode")),
    ("decode, 1.1B shape, Q4_0", "tokens/s", 1.25, 0.88, lambda: goal_speed(BIG + ":q4_0", "decode")),
    ("decode, 1.1B shape, Q4_K_M", "tokens/s", 1.25, 0.88, lambda: goal_speed(BIG + ":q4_k_m", "decode")),
    ("decode, SmolLM2-135M, Q4_0", "tokens/s", 1.6, 0.80, lambda: goal_speed(SMALL + ":q4_0", "decode")),
    ("decode, SmolLM2-135M, Q4_1", "tokens/s", 1.6, 0.80, lambda: goal_speed(SMALL + ":q4_1", "decode")),
    ("prefill 256, 1.1B shape, Q4_0", "tokens/s", 1.8, 0.70, lambda: goal_speed(BIG + ":q4_0", "prefill")),
    ("prefill 256, 1.1B shape, Q4_K_M", "tokens/s", 1.8, 0.70, lambda: goal_speed(BIG + ":q4_k_m", "prefill")),
    ("prefill 256, SmolLM2-135M, Q4_0", "tokens/s", 1.8, 0.70, lambda: goal_speed(SMALL + ":q4_0", "prefill")),
    ("prefill 256, SmolLM2-135M, Q4_K_M", "tokens/s", 1.8, 0.70, lambda: goal_speed(SMALL + ":q4_k_m", "prefill")),
    ("prefill 256, SmolLM2-135M, Q4_1", "tokens/s", 3.5, None, lambda: goal_speed(SMALL + ":q4_1", "prefill")),
    ("prefill 256, 1.1B shape, Q8_0", "tokens/s", 1.7, None, lambda: goal_speed(BIG + ":q8_0", "prefill")),
    ("decode of 8 sequences, SmolLM2-135M, Q4_0", "tokens/s", 2, None, lambda: goal_batch(SMALL + ":q4_0")),
    ("decode beside one busy process, SmolLM2-135M, Q4_0", "tokens/s", 4, None, lambda: goal_busy(SMALL + ":q4_0")),
    ("one analysis, SmolLM2-135M, Q4_0, warm", "a second", 2, None, lambda: goal_analysis(SMALL + ":q4_0")),
    ("process start to first token, 1.1B shape, Q4_0", "s", 5, None, lambda: goal_process(BIG + ":q4_0", 1, 0)),
    ("private memory beside the weights, 1.1B shape, Q4_0", "MB", 2, None, lambda: goal_process(BIG + ":q4_0", 16, 1)),
]


def table(rows):
    if args.markdown:
        print("| " + " | ".join(rows[0]) + " |\n|" + " --- |" * len(rows[0]))
        for row in rows[1:]:
            print("| " + " | ".join(row) + " |")
        return
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip())


def print_goals():
    rows = [("goal", "wattle", "llama.cpp", "unit", "ratio", "wanted", "of limit", "wanted", "met")]
    for name, unit, wanted, share_wanted, measure in GOALS:
        if args.only not in name:
            continue
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        try:
            result = measure()
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as e:
            result = str(e)
        want = (f"{wanted:g}", "" if share_wanted is None else f"{share_wanted:.0%}")
        if isinstance(result, str):
            rows.append((name, "", "", unit, "", want[0], "", want[1], "not measured: " + result))
            continue
        ours, theirs, ratio, share = result
        met = ratio >= wanted and (share_wanted is None or share >= share_wanted)
        rows.append((name, f"{ours:.3g}", f"{theirs:.3g}", unit, f"{ratio:.2f}", want[0],
                     "" if share_wanted is None else f"{share:.0%}", want[1], "yes" if met else "no"))
    table(rows)


def print_models():
    rows = [("model", "test", "wattle", "transformers" if args.transformers else "llama.cpp", "ratio")]
    for name in filter(None, args.models.split(",")):
        model = model_path(name)
        ours, theirs = speeds(model, args.prefill, args.decode, args.busy)
        if args.batch and peer("llama-batched-bench"):
            theirs |= llama_batch(model, args.batch)
        for test in theirs:
            if test in ours:
                rows.append((os.path.basename(model), test, f"{ours[test]:.1f}", f"{theirs[test]:.1f}", f"{ours[test] / theirs[test]:.2f}"))
            else:
                rows.append((os.path.basename(model), test, "", f"{theirs[test]:.1f}", ""))
    table(rows)


if not args.transformers and not peer("llama-bench"):
    sys.exit("--peers: expected a folder with llama-bench (bench/build_llama_cpp.sh makes one)")
if args.goals:
    print_goals()
elif args.models:
    print_models()
else:
    parser.error("one of --goals and --models is needed")
