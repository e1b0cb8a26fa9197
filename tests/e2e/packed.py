# SPDX-License-Identifier: MIT
"""Packed weights: made once whoever comes first, shared by all, made anew when wrong, and never in the way of an answer. The
real model."""
import concurrent.futures
import json
import os
import resource
import shutil
import signal
import subprocess
import sys

import lab
from lab import check
from serve import Server

ASK = ("--prompt", "What does a hygrometer measure?", "--llm-temperature", "0", "--llm-max-new-tokens", "12", "--log-level", "info")


def answer(place, *args, code=0, model=lab.MODEL, **env):
    """What it says and what it logs."""
    got, out, err = lab.run("generate", "--model", model, *ASK, *args, seconds=300, **{"LLM_PACKED_DIR": place, **env})
    check(got == code, f"exit {got}, expected {code}: {err}")
    return out, err


def files(place, end):
    return sorted(f for f in os.listdir(place) if f.endswith(end)) if os.path.isdir(place) else []


def one_file(place):
    check(len(files(place, ".packed")) == 1 and not files(place, ".part"), f"{os.listdir(place)}")
    return os.path.join(place, files(place, ".packed")[0])


def the_same_answers(folder):
    place = os.path.join(folder, "packed")
    alone, log = answer("none")
    check("packing" not in log and "memory" not in log, log)
    first, log = answer(place)
    check("packing '" in log, log)
    again, log = answer(place)
    check("packing '" not in log, log)
    check(first == alone and again == alone, f"{alone!r} {first!r} {again!r}")
    one_file(place)


def two_at_once(folder):
    """One makes the file, the other waits for it."""
    place = os.path.join(folder, "packed")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        got = [f.result() for f in [pool.submit(answer, place) for _ in range(4)]]
    check(len({out for out, _ in got}) == 1, f"{got}")
    check(sum("packing '" in log for _, log in got) == 1, f"{[log for _, log in got]}")
    check(all("own memory" not in log for _, log in got), f"{got}")
    one_file(place)


def interrupted(place, number):
    """Ends it while it quantizes; what its folder holds then."""
    p = lab.Program("generate", "--model", lab.MODEL, *ASK, LLM_PACKED_DIR=place, LLM_QUANT="q4_0")
    p.err.wait(lambda line: "packing '" in line, "it packs")
    p.signal(number)
    return p.end()


def killed_in_the_middle(folder):
    place = os.path.join(folder, "packed")
    check(interrupted(place, signal.SIGKILL) == -signal.SIGKILL, "it was killed")
    check(len(files(place, ".part")) == 1 and not files(place, ".packed"), f"{os.listdir(place)}")
    code, out, _ = lab.run("models", "--json", LLM_PACKED_DIR=place)
    check(code == 0 and [p["state"] for p in json.loads(out)["packed"]] == ["unfinished"], out)
    code, out, _ = lab.run("models", "prune", LLM_PACKED_DIR=place)
    check(code == 0 and out.startswith("removed 1 packed file:") and not os.listdir(place), f"{out} {os.listdir(place)}")
    interrupted(place, signal.SIGKILL)
    _, log = answer(place, "--llm-quant", "q4_0")
    check("packing '" in log and "Q4_0 (from Q4_1)" in log, log)
    one_file(place)


def ended_in_the_middle(folder):
    place = os.path.join(folder, "packed")
    check(interrupted(place, signal.SIGINT) == 130, "exit code of Ctrl-C")
    check(os.listdir(place) == [], f"{os.listdir(place)}")


def no_room(folder):
    """A limit on files, a full file system, no place at all: one warning, the same answer."""
    place = os.path.join(folder, "packed")
    alone, _ = answer("none")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20 << 20, 20 << 20))
    p = subprocess.run([lab.WATTLE, "generate", "--model", lab.MODEL, *ASK], preexec_fn=limit, env=lab.environment(LLM_PACKED_DIR=place),
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
    check(p.returncode == 0 and p.stdout.decode() == alone, f"{p}")
    check(p.stderr.count(b"own memory") == 1 and b"File too large" in p.stderr and os.listdir(place) == [], f"{p} {os.listdir(place)}")
    with open(os.path.join(folder, "file"), "w", encoding="utf-8"):
        pass
    for env in ({"LLM_PACKED_DIR": os.path.join(folder, "file", "x")}, {"LLM_PACKED_DIR": "/proc/none"}, {"LLM_PACKED_DIR": "", "HOME": ""}):
        out, log = answer("", **env)
        check(out == alone and log.count("own memory") == 1, f"{env}: {out!r} {log}")
    small = os.path.join(folder, "small")
    os.mkdir(small)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", small], capture_output=True, check=False)
    if mounted.returncode != 0:
        return "ok but for the full disk: no file system can be mounted here"
    try:
        out, log = answer(small)
        check(out == alone and log.count("own memory") == 1 and "No space left" in log and os.listdir(small) == [], f"{log} {os.listdir(small)}")
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        out, log = answer(small)
        check(out == alone and log.count("own memory") == 1 and "Read-only file system" in log, log)
    finally:
        subprocess.run(["umount", small], check=True)


def wrong_files(folder):
    """Damaged at its head: made anew. Of a source that changed: made anew, the old one gone."""
    place, model = os.path.join(folder, "packed"), os.path.join(folder, "m.gguf")
    shutil.copy(lab.MODEL, model)
    first, _ = answer(place, model=model)
    path = one_file(place)
    size = os.path.getsize(path)
    with open(path, "r+b") as f:
        f.seek(70)
        f.write(b"\xff")
    again, log = answer(place, model=model)
    check(again == first and "made anew" in log and one_file(place) == path, log)
    os.truncate(path, size // 3)
    again, log = answer(place, model=model)
    check(again == first and "made anew" in log and os.path.getsize(path) == size, log)
    code, out, _ = lab.run("models", "verify", LLM_PACKED_DIR=place)
    check(code == 0 and "good" in out, out)
    with open(path, "r+b") as f:
        f.seek(size - 1000)
        f.write(b"damage")
    code, out, err = lab.run("models", "verify", LLM_PACKED_DIR=place)
    check(code == 1 and "bad" in out and "1 packed file is damaged" in err, f"{out} {err}")
    with open(model, "r+b") as f:
        f.seek(-3, os.SEEK_END)
        f.write(b"\x01")
    _, log = answer(place, model=model)
    check("packing '" in log and one_file(place) != path, f"{log} {os.listdir(place)}")


def listed_and_removed(folder):
    place, model = os.path.join(folder, "packed"), os.path.join(folder, "m.gguf")
    shutil.copy(lab.MODEL, model)
    answer(place, model=model)
    name = os.path.basename(one_file(place))[:-len(".packed")]

    def state():
        code, out, err = lab.run("models", "--json", LLM_PACKED_DIR=place)
        check(code == 0, err)
        return [(p["name"], p["source"], p["quantization"], p["state"]) for p in json.loads(out)["packed"]]
    check(state() == [(name, os.path.realpath(model), "Q4_1", "ready")], f"{state()}")
    code, out, _ = lab.run("models", LLM_PACKED_DIR=place)
    check(code == 0 and name[:12] in out and "Q4_1" in out and "ready, " in out and f"1 packed, " in out, out)
    os.utime(model, ns=(1, 1))
    check(state()[0][3] == "stale", f"{state()}")
    os.remove(model)
    check(state()[0][3] == "orphan", f"{state()}")
    for words, text, expected in ((("remove", "0" * 40), "no packed model", 1), (("remove", name[:7]), "", 1), (("verify", "f" * 12 if name[0] != "f" else "e" * 12), "", 1)):
        code, out, err = lab.run("models", *words, LLM_PACKED_DIR=place)
        check(code == expected and text in err, f"{words}: {code} {out} {err}")
    code, out, err = lab.run("models", "remove", name[:12], LLM_PACKED_DIR=place)
    check(code == 0 and f"removed {name}" in out and os.listdir(place) == [], f"{out} {err}")


def quantized_on_the_way(folder):
    place = os.path.join(folder, "packed")
    code, out, err = lab.run("generate", "--model", lab.MODEL, *ASK, "--llm-quant", "q3", LLM_PACKED_DIR=place)
    check(code == 2 and "--llm-quant" in err and "'q3'" in err and "q4" in err, err)
    s = Server(LLM_PACKED_DIR=place, LLM_QUANT="q4_0")
    status, reply = s.chat(temperature=0, max_tokens=2)
    check(status == 200 and reply["wattle"]["quantization"] == "Q4_0 (from Q4_1)", f"{reply}")
    check(s.end() == 0, "its end")


def compared(folder):
    """Each model with each type."""
    place = os.path.join(folder, "packed")
    ask = ("compare", "--models", lab.MODEL, "--inferences", "1", "--warmup", "1", "--llm-max-new-tokens", "4", "--format", "json")
    code, out, err = lab.run(*ask, "--quant", "file,q4_0", seconds=300, LLM_PACKED_DIR=place)
    check(code == 0, err)
    found = [(m["name"].rsplit("-", 1)[-1] == "q4_0", m["quantization"]) for m in json.loads(out)["models"]]
    check(found == [(False, "Q4_1"), (True, "Q4_0 (from Q4_1)")], f"{found}")
    for quant, text in (("q9,q4", "'q9': unknown, expected one of q4"), ("q4,,q8", "an empty word"), ("q4", "one model")):
        code, out, err = lab.run(*ask, "--quant", quant, LLM_PACKED_DIR=place)
        check(code == 2 and text in err and not out, f"{quant}: {code} {err}")


def one_copy(folder):
    """Ten processes: the weights are there once, and none has a copy of its own."""
    place, n = os.path.join(folder, "packed"), 10
    answer(place)
    packed = os.path.getsize(one_file(place)) >> 20
    servers = [Server(LLM_PACKED_DIR=place, LLM_THREADS="1", LLM_MAX_LENGTH="64") for _ in range(n)]
    for s in servers:
        status, reply = s.chat(temperature=0, max_tokens=2)
        check(status == 200, f"{reply}")
    sums, private = {"Pss": 0, "Rss": 0}, []
    for s in servers:
        with open(f"/proc/{s.p.process.pid}/smaps_rollup", encoding="ascii") as f:
            rollup = {line.split(":")[0]: int(line.split()[1]) for line in f if line.endswith("kB\n")}
        for key in sums:
            sums[key] += rollup[key] >> 10
        private.append((rollup["Private_Clean"] + rollup["Private_Dirty"]) >> 10)
    for s in servers:
        s.p.signal(signal.SIGTERM)
    check(all(s.p.end() == 0 for s in servers), "they end")
    check(max(private) < 50, f"MiB of each one's own: {private}")
    check(sums["Rss"] > n * packed * 0.8, f"all have the weights: {sums}")
    check(sums["Pss"] < packed + n * 50, f"MiB in all: {sums}, {packed} of them packed weights")
    return f"ok: {packed} MiB of weights, {n} processes: {sums['Pss']} MiB together, {max(private)} at most of one's own"


if __name__ == "__main__":
    if not lab.has_model():
        print("skipped: the real model is not there")
        sys.exit(lab.SKIP)
    tests = [the_same_answers, two_at_once, killed_in_the_middle, ended_in_the_middle, no_room, wrong_files, listed_and_removed, quantized_on_the_way, compared, one_copy]
    lab.main(*[t for t in tests if len(sys.argv) < 2 or t.__name__ in sys.argv[1:]])
