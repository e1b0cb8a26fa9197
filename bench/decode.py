#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Decode and prefill speed of wattle beside llama.cpp's, on the same file, alternately, in one run.

    bench/decode.py --model models/SmolLM2-135M-Instruct.Q4_1.gguf --llama-bench PATH [--threads 2] [--rounds 5] [--busy N]

What is inside the clock: for wattle the engine's own decode_ns and prefill_ns of a greedy request (no start of the process, no
loading); for llama.cpp what llama-bench reports. --busy N runs N processes that only count beside each measurement. Prints
every round, the medians and their ratio. Without --llama-bench only wattle is measured. llama-bench comes with
bench/build_llama_cpp.sh.
"""
import argparse
import json
import statistics
import subprocess
import sys

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model", required=True)
parser.add_argument("--wattle", default="build/wattle")
parser.add_argument("--llama-bench")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--prefill", type=int, default=256)
parser.add_argument("--decode", type=int, default=64)
parser.add_argument("--busy", type=int, default=0)
args = parser.parse_args()

# One word is one token or a little more; the exact count comes back with the answer.
PROMPT = " ".join(["temperature", "humidity", "light", "motion"] * args.prefill)[:6 * args.prefill]


def wattle():
    out = subprocess.run([args.wattle, "generate", "--model", args.model, "--raw", "--prompt", PROMPT, "--json",
                          "--llm-temperature", "0", "--llm-max-new-tokens", str(args.decode), "--llm-max-length", "4096",
                          "--llm-threads", str(args.threads)], capture_output=True, text=True, check=True).stdout
    answer = json.loads(out)
    u = answer.get("usage", answer)
    return {"prefill": u["prompt_tokens"] / (u["prefill_ms"] / 1000), "decode": (u["completion_tokens"] - 1) / (u["decode_ms"] / 1000)}


def llama():
    out = subprocess.run([args.llama_bench, "-m", args.model, "-t", str(args.threads), "-p", str(args.prefill), "-n", str(args.decode),
                          "-r", "1", "-o", "json"], capture_output=True, text=True, check=True).stdout
    rows = json.loads(out)
    return {"prefill": next(r["avg_ts"] for r in rows if r["n_prompt"]), "decode": next(r["avg_ts"] for r in rows if r["n_gen"])}


runners = {"wattle": wattle}
if args.llama_bench:
    runners["llama.cpp"] = llama
busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(args.busy)]
results = {name: [] for name in runners}
try:
    for name in runners:
        runners[name]()  # warm-up: page cache, frequency
    for r in range(args.rounds):
        for name in (list(runners) if r % 2 == 0 else list(runners)[::-1]):
            m = runners[name]()
            results[name].append(m)
            print(f"round {r + 1}  {name:10} prefill {m['prefill']:7.1f}  decode {m['decode']:7.1f} tokens/s", flush=True)
finally:
    for p in busy:
        p.kill()
        p.wait()
median = {n: {t: statistics.median(m[t] for m in rows) for t in ("prefill", "decode")} for n, rows in results.items()}
for n, m in median.items():
    print(f"median   {n:10} prefill {m['prefill']:7.1f}  decode {m['decode']:7.1f} tokens/s")
if args.llama_bench:
    print("ratio    " + "  ".join(f"{t} {median['wattle'][t] / median['llama.cpp'][t]:.2f}" for t in ("prefill", "decode")))
