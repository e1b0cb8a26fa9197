# SPDX-License-Identifier: MIT
"""Each allocation and each write of wattle's commands fails once, and from there on all of them: no crash, no hang, exit code 1
with one line that says what failed (or 0 where the work was done all the same), no half JSON, no temporary file left.

Usage: check_faults.py [--all] [--seconds S] [COMMAND …]; failing.so is found through FAILING, wattle through WATTLE_BUILD."""
import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

SOURCE = os.environ.get("WATTLE_SOURCE", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.path.abspath(os.environ.get("WATTLE_BUILD", "."))
WATTLE = os.path.join(BUILD, "wattle")
FAILING = os.environ.get("FAILING", os.path.join(BUILD, "tests", "fault", "failing.so"))
MODEL = os.environ.get("WATTLE_MODEL") or os.path.join(SOURCE, "models", "SmolLM2-135M-Instruct.Q4_1.gguf")
SMALL = os.path.join(SOURCE, "tests", "golden", "gguf", "llama-gqa-tied-q8_0.gguf")
TEMPLATE = os.path.join(SOURCE, "tests", "golden", "templates", "ChatML.jinja")
EVAL = os.path.join(SOURCE, "tests", "golden", "eval")
PATIENCE = float(os.environ.get("WATTLE_PATIENCE", "20"))
LOG_LINE = re.compile(r"^\d{4}-\d\d-\d\dT\S+ (debug|info|warning|error): ")
# Libraries that end the process by themselves without memory. Proven by the trace: the abort is called from there.
THEIR_ABORTS = ("libuv.so",)
# And one that uses the memory it did not get, when it begins to read (0.7.12): the crash is in it.
THEIR_CRASHES = ("libfyaml.so",)
# The last is what pthread_create says.
MEMORY = re.compile("memory|llocate|Resource temporarily unavailable")
SKIP = 77


class Folder:
    """A fresh folder for one run: the program's working folder, HOME and TMPDIR."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="wattle-fault-")
        self.reports = tempfile.mkdtemp(prefix="wattle-fault-")

    def report(self, name):
        path = os.path.join(self.reports, name)
        return open(path, encoding="utf-8", errors="replace").read() if os.path.exists(path) else ""

    def files(self):
        return sorted(os.path.relpath(os.path.join(at, name), self.path) for at, _, names in os.walk(self.path) for name in names)

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.rmtree(self.reports, ignore_errors=True)


class Result:
    def __init__(self, folder, code, out, err):
        self.folder, self.code, self.out, self.err, self.all_err = folder, code, out, err, err

    def said(self):
        """What it printed on stderr besides its log."""
        return [line for line in self.err.splitlines() if not LOG_LINE.match(line)]


def run(command, folder, limit=None, **fail):
    env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": folder.path, "TMPDIR": folder.path,
           "LLM_PACKED_DIR": os.path.join(BUILD, "packed"), "LD_PRELOAD": FAILING,
           "DATASET_PATH": "given/telemetry.csv", "FAIL_PROGRAM": "wattle",
           "FAIL_COUNT_FILE": os.path.join(folder.reports, "count"), "FAIL_TRACE_FILE": os.path.join(folder.reports, "trace")}
    env.update({name: str(value) for name, value in fail.items()})
    # To a file, as in `wattle report >summary`: a full disk is then a limit on its size.
    with open(os.path.join(folder.reports, "out"), "w+b") as out:
        def limited():
            import resource
            if limit is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with subprocess.Popen([WATTLE, *command.args], env=env, cwd=folder.path, stdin=subprocess.PIPE, stdout=out,
                              stderr=subprocess.PIPE, preexec_fn=limited, start_new_session=True) as process:
            try:
                err = process.communicate(command.input.encode(), timeout=PATIENCE)[1]
                code = process.returncode
            except subprocess.TimeoutExpired:
                process.kill()
                err, code = process.communicate()[1], None
        out.seek(0)
        return Result(folder, code, out.read().decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def counts(folder):
    found = dict(line.split() for line in folder.report("count").splitlines())
    return int(found.get("allocations", 0)), int(found.get("writes", 0))


def places(folder, kind, n):
    """The numbers of a kind, the first and the last of each place in the program before those between: 1..n in another order."""
    of_site = {}
    for line in folder.report("sites").splitlines():
        what, number, site = line.split()
        if what == kind:
            of_site.setdefault(site, []).append(int(number))
    first = [numbers[0] for numbers in of_site.values()]
    last = [numbers[-1] for numbers in of_site.values() if len(numbers) > 1]
    chosen = first + last
    return chosen + sorted(set(range(1, n + 1)) - set(chosen)), len(of_site)


def their_abort(folder):
    """The library that called abort(), or crashed, if it is one of those that do."""
    lines = folder.report("trace").splitlines()
    for word, libraries, between in (("abort", THEIR_ABORTS, ("failing.so",)), ("crash", THEIR_CRASHES, ("failing.so", "libc.so"))):
        if word in lines:
            frames = lines[len(lines) - lines[::-1].index(word):]
            caller = next((frame for frame in frames if not any(name in frame for name in between)), "")
            return next((name for name in libraries if name in caller), None)
    return None


class Command:
    """One command line and what must hold whatever fails in it."""

    def __init__(self, name, args, lines="", json_lines=True, prepare=None):
        self.name, self.args, self.input = name, args, lines
        self.json_lines, self.prepare = json_lines, prepare
        self.expected = None

    def problems(self, r, kind):
        """What is wrong with a result; kind: 'memory', 'disk', 'output'."""
        if r.code is None:
            return [f"hangs: not ended after {PATIENCE:.0f} s"]
        if r.code < 0:
            theirs = their_abort(r.folder)
            if r.code not in (-signal.SIGABRT, -signal.SIGSEGV) or kind != "memory" or not theirs:
                return [f"ended by signal {-r.code}"]
            return self.file_problems(r)
        found = [] if r.code in (0, 1) else [f"exit code {r.code}"]
        said = r.said()
        if r.code == 1:
            if len(said) != 1 or not re.match(rf"wattle {self.args[0]}: \S", said[0]):
                found.append(f"expected one line on stderr, not {said}")
            elif kind == "memory" and not MEMORY.search(said[0]):
                found.append(f"does not say that memory failed: {said[0]}")
        return found + self.output_problems(r, kind) + self.file_problems(r)

    def output_problems(self, r, kind):
        found = []
        if kind != "output":  # there the end is cut off, by the disk
            if r.out and not r.out.endswith("\n"):
                found.append(f"half a line: {r.out[-80:]!r}")
            for line in r.out.splitlines() if self.json_lines else []:
                try:
                    json.loads(line)
                except ValueError:
                    found.append(f"half JSON: {line[-80:]!r}")
        if r.code == 0 and not self.same(r.out):
            found.append(f"exit code 0 and another output: {r.out[:160]!r}")
        return found

    def same(self, out):
        """The output that it has without a fault; a line that says that it failed is as good."""
        a, b = self.expected.splitlines(), out.splitlines()
        return len(a) == len(b) and all(x == y or (self.json_lines and '"error":"' in y and '"error":""' not in y) for x, y in zip(a, b))

    def file_problems(self, r):
        left = [name for name in r.folder.files() if not name.startswith("given/")]
        return [f"left behind: {left}"] if left else []


class Generate(Command):
    """Says its speed on stderr, and on stdout only text."""

    def same(self, out):
        return out == self.expected

    def problems(self, r, kind):
        r.err = "\n".join(line for line in r.err.splitlines() if line.startswith("wattle generate: "))
        return super().problems(r, kind)


class GenerateJson(Generate):
    """Times and the seed differ from run to run."""

    def same(self, out):
        return json.loads(out)["usage"]["completion_tokens"] == 2


class Eval(Command):
    """Tells its progress on stderr; its time differs from run to run."""

    def same(self, out):
        return {**json.loads(out), "seconds": 0} == {**json.loads(self.expected), "seconds": 0}

    def problems(self, r, kind):
        r.err = "\n".join(line for line in r.err.splitlines() if "perplexity so far" not in line)
        return super().problems(r, kind)


class Run(Command):
    """A fleet: what it could not do it logs, and goes on; the files that it leaves are whole."""

    def output_problems(self, r, kind):
        if r.code or kind == "output":
            return []
        try:
            json.loads(r.out)
        except ValueError:
            return [f"half JSON: {r.out[-80:]!r}"]
        return []

    def file_problems(self, r):
        found = []
        saved = 0
        for name in r.folder.files():
            if name.endswith(".json"):
                try:
                    with open(os.path.join(r.folder.path, name), encoding="utf-8") as f:
                        saved += json.load(f)["summary"]["total_inferences"]
                except ValueError:
                    found.append(f"half JSON in {name}")
            elif not name.startswith(("s.db", "given/")):
                found.append(f"left behind: {name}")
        found += self.store_problems(os.path.join(r.folder.path, "s.db"))
        if r.code == 0 and not found and saved != json.loads(r.out)["inferences"]:
            found.append(f"exit code 0, {saved} inferences saved of {json.loads(r.out)['inferences']}")
        return found

    @staticmethod
    def store_problems(path):
        """What was published was whole."""
        found = []
        if not os.path.exists(path):
            return found
        try:
            with contextlib.closing(sqlite3.connect(path)) as db:
                rows = db.execute("select topic, payload from messages where topic not like 'iot/status/%'").fetchall()
        except sqlite3.Error as e:
            return [] if "no such table" in str(e) else [f"s.db: {e}"]
        for topic, payload in rows:
            try:
                json.loads(payload)
            except ValueError:
                found.append(f"half JSON on {topic}: {payload[-80:]!r}")
        return found

    def problems(self, r, kind):
        # The keeper ends the broker and removes its folder after us.
        end = time.monotonic() + 5
        while time.monotonic() < end and any(name.startswith("wattle-broker-") for name in os.listdir(r.folder.path)):
            time.sleep(0.02)
        # It says where its broker is, and how far it is.
        r.err = "\n".join(line for line in r.err.splitlines() if line.startswith("wattle run: "))
        return super().problems(r, kind)


def config_file(path):
    os.makedirs(os.path.join(path, "given"))
    with open(os.path.join(path, "given", "edge.yaml"), "w", encoding="utf-8") as f:
        f.write("LLM_TOP_K: 3\nprompt: {user: \"a\\u00e4 {{temp}}\"}\nalarms: {temp: {max: 60}}\n"
                "LLM_STOP: |\n  one\n  two\ndevices:\n  pump: {ENABLE_LLM: yes}\n")


def metrics_folder(folder):
    """What `wattle report` reads: the files of two devices."""
    record = {"timestamp": "2025-10-07T10:30:15.123456+00:00", "device_id": "00:0f:00:70:91:0a", "model_name": "m",
              "inference_time_seconds": 1.25, "inference_time_ms": 1250.0, "memory_used_mb": 45.5, "memory_total_mb": 512.25,
              "cpu_percent_avg": 78.5, "cpu_percent_samples": 24, "energy_consumed_mj": 16062.5, "energy_consumed_j": 16.0625,
              "compute_device": "cpu", "prompt_length": 256, "response_length": 128}
    span = {"min": 1.0, "max": 2.0, "avg": 1.5}
    for i in range(2):
        at = os.path.join(folder, "given", f"edge-device-{i}")
        os.makedirs(at)
        summary = {"device_id": f"d{i}", "model_name": "m", "total_inferences": 3, "inference_time_ms": span, "memory_usage_mb": span,
                   "cpu_usage_percent": span, "energy_consumption_mj": {**span, "total": 4.5}}
        with open(os.path.join(at, f"inference_metrics_d{i}_20251007_103015.json"), "w", encoding="utf-8") as f:
            json.dump({"summary": summary, "detailed_metrics": [record] * 3}, f)


def some_telemetry(folder):
    """Enough for a few messages: the whole day is read with thousands of allocations that are all alike."""
    os.mkdir(os.path.join(folder, "given"))
    with open(os.path.join(SOURCE, "data", "telemetry-24h.csv"), encoding="utf-8") as day:
        with open(os.path.join(folder, "given", "telemetry.csv"), "w", encoding="utf-8") as f:
            f.writelines(line for line, _ in zip(day, range(30)))
    with open(os.path.join(folder, "given", "prompt.txt"), "w", encoding="utf-8") as f:
        f.write("{{temp}}?")


def commands():
    def lines(*objects):
        return "".join(json.dumps(o) + "\n" for o in objects)
    texts = lines({"case": 1, "text": "Hello, 22.7 °C <|im_start|>"}, {"case": 2, "text": "word " * 300})
    ids = lines({"case": 1, "ids": [1, 2, 300, 4000]}, {"case": 2, "ids": list(range(20, 400)), "skip_special": True})
    chat = lines({"case": 1, "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "Hi"}],
                  "add_generation_prompt": True}, {"case": 2, "messages": [{"role": "user", "content": "x" * 3000}]})
    logits = lines({"case": 1, "ids": [1, 2, 3, 4], "positions": [0, -1], "greedy": 3, "continuation": [5, 6]}, {"case": 2, "ids": [7]})
    yield Command("help", ["run", "--help"], json_lines=False)
    yield Command("print-config", ["run", "--print-config"], json_lines=False)
    yield Command("config", ["run", "--print-config", "--config", "given/edge.yaml"], json_lines=False, prepare=config_file)
    yield Command("logits", ["logits", "--model", SMALL], logits)
    yield Command("template-file", ["template", "--template", TEMPLATE], chat)
    yield Command("report", ["report", "given"], json_lines=False, prepare=metrics_folder)
    yield Command("report-json", ["report", "given", "--json"], json_lines=False, prepare=metrics_folder)
    folder = ["--model", os.path.join(EVAL, "coarse")]
    yield Command("tokenize-folder", ["tokenize", *folder], texts)
    yield Eval("eval", ["eval", *folder, "--reference", os.path.join(EVAL, "reference"), "--text", os.path.join(EVAL, "text.txt"),
                        "--limit", "40", "--json"], json_lines=False)
    no_model = ["run", "--devices", "2", "--interval", "0.05-0.1", "--duration", "300ms", "--json", "--store", "s.db"]
    yield Run("run-telemetry", no_model, prepare=some_telemetry)
    if not os.path.isfile(MODEL):
        return
    yield Command("tokenize", ["tokenize", "--model", MODEL], texts)
    yield Command("detokenize", ["detokenize", "--model", MODEL], ids)
    yield Command("template", ["template", "--model", MODEL], chat)
    yield Generate("generate", ["generate", "--model", MODEL, "--prompt", "Hi", "--llm-max-new-tokens", "3", "--llm-temperature", "0"],
                   json_lines=False)
    yield GenerateJson("generate-json", ["generate", "--model", MODEL, "--prompt", "Hi", "--llm-max-new-tokens", "2", "--json"])
    # A file is saved when ten have come, and at the end.
    yield Run("run", ["run", "--devices", "2", "--llm-devices", "1", "--enable-llm", "--llm-model", MODEL, "--llm-inference-interval", "1",
                      "--interval", "0.02-0.04", "--inferences", "12", "--duration", "5s", "--llm-max-new-tokens", "2", "--llm-prompt-file",
                      "given/prompt.txt", "--json", "--store", "s.db"], prepare=some_telemetry)


def spread(numbers, most):
    """At most so many of them, evenly."""
    if len(numbers) <= most:
        return numbers
    return [numbers[i * len(numbers) // most] for i in range(most)]


def faults(allocations, writes, n_bytes, most):
    """(kind, keyword arguments of run)."""
    for number in spread(writes, most // 4):
        yield "disk", {"FAIL_WRITE": number}
        yield "disk", {"FAIL_WRITE": number, "FAIL_WRITE_EVERY": 1}
    for number in spread(allocations, most):
        yield "memory", {"FAIL_ALLOC": number}
        yield "memory", {"FAIL_ALLOC": number, "FAIL_ALLOC_EVERY": 1}
    for size in sorted({0, 1, n_bytes // 2, max(0, n_bytes - 1)} if n_bytes else ()):
        yield "output", {"limit": size}


def fresh(command):
    folder = Folder()
    if command.prepare:
        command.prepare(folder.path)
    return folder


def check(command, seconds):
    """Faults found, runs made."""
    began, folder = time.monotonic(), fresh(command)
    r = run(command, folder, FAIL_SITES_FILE=os.path.join(folder.reports, "sites"))
    took = time.monotonic() - began
    command.expected = r.out
    n_allocations, n_writes = counts(folder)
    wrong = command.problems(r, "none")
    if r.code != 0 or wrong or n_allocations == 0:
        print(f"{command.name}: FAILED without a fault: exit code {r.code}, {wrong}, {n_allocations} allocations; {r.err.strip()}")
        return 1, 1
    allocations, n_places = places(folder, "a", n_allocations)
    writes, _ = places(folder, "w", n_writes)
    if seconds:
        allocations = allocations[:2 * n_places]
    n_bytes = 0 if isinstance(command, Run) else len(r.out.encode())
    folder.remove()
    most = max(4, int(seconds / took / 2.5)) if seconds else sys.maxsize
    found = made = survived = aborted = 0
    for kind, fail in faults(allocations, writes, n_bytes, most):
        folder = fresh(command)
        r = run(command, folder, **fail)
        wrong = command.problems(r, kind)
        made += 1
        survived += r.code == 0
        aborted += r.code is not None and r.code < 0 and not wrong
        for text in wrong:
            found += 1
            print(f"{command.name} {' '.join(f'{k}={v}' for k, v in fail.items())}: {text}")
        if wrong and os.environ.get("WATTLE_FAULT_TRACE"):
            print("\n".join(folder.report("trace").splitlines()[:20] + r.all_err.splitlines()[-12:]))
        folder.remove()
    print(f"{command.name}: {n_allocations} allocations at {n_places} places, {n_writes} writes: {made} faults, {survived} survived, {aborted} ended by a "
          f"library, {found} wrong ({time.monotonic() - began:.1f} s)", flush=True)
    return found, made


def main():
    words = sys.argv[1:]
    seconds = 60.0
    if "--all" in words:
        words.remove("--all")
        seconds = 0
    elif "--seconds" in words:
        at = words.index("--seconds")
        seconds = float(words[at + 1])
        del words[at:at + 2]
    if not os.path.exists(FAILING):
        print(f"skipped: no {FAILING}")
        sys.exit(SKIP)
    chosen = [c for c in commands() if not words or c.name in words]
    if not os.path.isfile(MODEL):
        print(f"skipped: tokenize, detokenize, template, generate, run: no model {MODEL}")
    # The fleets take a second each, all else hundredths.
    fleets = sum(isinstance(c, Run) for c in chosen)
    others = len(chosen) - fleets
    found = made = 0
    for command in chosen:
        share = 0.75 / max(1, fleets) if isinstance(command, Run) else 0.25 / max(1, others)
        bad, runs = check(command, seconds * share)
        found, made = found + bad, made + runs
    print(f"{made} faults made, {found} wrong")
    sys.exit(1 if found or made == 0 else 0)


main()
