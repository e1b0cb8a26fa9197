# SPDX-License-Identifier: MIT
"""The real SmolLM2-135M-Instruct: one answer whatever the threads and the machine code, to the bit;
what `wattle generate` prints and how it ends."""
import json
import os
import signal
import subprocess
import sys

from lines import SKIPPED, Count, ask, program, real_model, run

SYSTEM = "You watch sensors. Answer in one short sentence."
PROMPT = "temp 22.7 C, humidity 51 %, co 0.0049. Is the room fine?"


def generate(*more):
    return subprocess.run([program(), "generate", "--model", real_model(), *more], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, check=False)


def check_logits(count):
    ids = ask(["tokenize", "--model", real_model()], [{"case": 0, "text": PROMPT}])[0]["ids"]
    question = [{"case": 0, "ids": ids, "positions": [0, -1], "greedy": 4, "continuation": ids[:3]}]
    logits = {(threads, isa): run(["logits", "--model", real_model(), "--llm-threads", threads], question,
                                  {"WATTLE_ISA": isa})
              for threads, isa in (("1", ""), ("2", ""), ("3", ""), ("2", "c"))}
    first = logits["1", ""]
    for kind, text in logits.items():
        count.check(text == first, kind, "gives other logits")
    # Fast and exact differ by the rounding of activations, not by more.
    fast = json.loads(first)["logits"]["-1"]
    exact = ask(["logits", "--model", real_model(), "--quant", "f32"], question)[0]["logits"]["-1"]
    scale = max(abs(v) for v in exact)
    off = max(abs(a - b) for a, b in zip(fast, exact)) / scale
    count.check(0 < off < 0.05, "fast against exact:", off)


def check_answers(count):
    fixed = ["--system", SYSTEM, "--prompt", PROMPT, "--llm-max-new-tokens", "12"]
    plain = generate(*fixed, "--llm-temperature", "0")
    count.check(plain.returncode == 0 and plain.stdout.endswith(b"\n"), plain)
    count.check(b"12 tokens, " in plain.stderr and b" tokens/s, first after " in plain.stderr, plain.stderr)
    for more in (["--llm-threads", "1"], ["--llm-threads", "3"], ["--wattle-isa", "c"]):
        other = generate(*fixed, "--llm-temperature", "0", *more)
        count.check(other.stdout == plain.stdout, more, other)
    seeded = [generate(*fixed, "--json", "--llm-seed", "7") for _ in range(2)]
    texts = [json.loads(s.stdout)["text"] for s in seeded]
    count.check(texts[0] == texts[1] and texts[0], "a seed gives two answers:", texts)
    answer = json.loads(generate(*fixed, "--json", "--llm-temperature", "0").stdout)
    count.check(answer["text"] + "\n" == plain.stdout.decode(), answer)
    count.check(answer["finish_reason"] == "length" and answer["usage"]["completion_tokens"] == 12, answer)
    stopped = json.loads(generate("--prompt", PROMPT, "--system", SYSTEM, "--llm-temperature", "0", "--json",
                                  "--llm-stop", "nothing\n" + answer["text"][6:10]).stdout)
    count.check(stopped["text"] == answer["text"][:6] and stopped["finish_reason"] == "stop", stopped)
    long = generate("--prompt", "word " * 700, "--llm-max-length", "512")
    count.check(long.returncode == 1 and b", max_length is 512" in long.stderr, long)


def check_interrupt(count):
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen([program(), "generate", "--model", real_model(), "--prompt", "Count to a million.",
                               "--llm-max-length", "8000"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as p:
            first = os.read(p.stdout.fileno(), 1)
            p.send_signal(number)
            rest, errors = p.communicate(timeout=60)
            count.check(p.returncode == 130 and first, number, p.returncode, rest, errors)


def check_broken_output(count):
    """Whoever reads goes away: the end that a pipe gives, without a word. The disk is full: one line. No further work."""
    for output, status in (("| head -c 1", 141), (">/dev/full", 1)):
        command = (f"'{program()}' generate --model '{real_model()}' --prompt 'Count to a million.' "
                   f"--llm-max-length 8000 {output}; echo ${{PIPESTATUS[0]}}")
        done = subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60, check=False)
        said = done.stderr.count(b"\n") == 1 and b"write" in done.stderr if status == 1 else done.stderr == b""
        count.check(done.stdout.endswith(b"%d\n" % status) and said, output, done)


def main():
    if not os.path.exists(real_model()):
        print("skipped: no model at", real_model())
        sys.exit(SKIPPED)
    count = Count()
    check_logits(count)
    check_answers(count)
    check_interrupt(count)
    check_broken_output(count)
    count.exit()


main()
