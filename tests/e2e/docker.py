# SPDX-License-Identifier: MIT
"""The images and a composition on a real Docker engine, as a user meets them. Not among meson's tests: it takes minutes, root and an
engine; .ci/run calls it. Exit code 77 and one line where there can be no engine. --engine unix:///SOCKET uses one that is there."""
import datetime
import glob
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import docker_engine
import lab
from lab import check

IMAGE, BROKER = "iot-device-simulator:latest", "wattle-broker:latest"
SIZE_MAX_MB = 120
STOP_MAX_S = 5.0
DEVICES = {"edge-device-01": "00:0f:00:70:91:0a", "edge-device-02": "1c:bf:ce:15:ec:4d", "edge-device-03": "b8:27:eb:bf:9d:51"}
MODEL = "/models/" + os.path.basename(lab.MODEL)
MODELS = ["-v", f"{os.path.dirname(lab.MODEL)}:/models:ro"]
LLM = ["-e", "ENABLE_LLM=true", "-e", f"LLM_MODEL_NAME={MODEL}", "-e", "LLM_INFERENCE_INTERVAL=1"]
engine = None


def run(*args, check=True, seconds=None):
    return engine.docker("run", "--rm", *args, check=check, seconds=seconds)


def inspect(name, what):
    return engine.docker("inspect", "-f", "{{" + what + "}}", name).text


def logs(name):
    return engine.docker("logs", name).text


def stop(name):
    """Seconds from the signal to its end as the engine saw it, and its exit code."""
    began = datetime.datetime.now(datetime.timezone.utc)
    engine.docker("stop", "-t", "10", name)
    ended = inspect(name, ".State.FinishedAt")  # of this machine's clock, in nanoseconds
    ended = datetime.datetime.fromisoformat(re.sub(r"(\.\d{1,6})\d*Z$|Z$", lambda z: (z.group(1) or ".0").ljust(7, "0") + "+00:00", ended))
    return (ended - began).total_seconds(), int(inspect(name, ".State.ExitCode"))


def inference_under_way(name, least):
    """How many are done, at a moment when the next has just begun: the message after it found it at work."""
    found = re.findall(r": analysis of telemetry #\d+( skipped, the earlier one is not done)?", logs(name))
    done = found.count("")
    return done if done >= least and found[-1] and not found[-2] else None


def removed(name):
    engine.docker("rm", "-f", name, check=False)


# ---- the image ----

def image_is_small_and_has_no_root(folder):
    megabytes = int(inspect(IMAGE, ".Size")) / 1e6
    check(megabytes < SIZE_MAX_MB, f"{megabytes:.0f} MB, expected less than {SIZE_MAX_MB}")
    check(inspect(IMAGE, ".Config.User") == "10001:10001", "user")
    check(inspect(IMAGE, ".Config.StopSignal") == "SIGTERM", "stop signal")
    found = run(IMAGE, "sh", "-c", "id -u; for p in gcc cc c99 clang tcc as ld make; do command -v $p; done; ls /usr/include 2>/dev/null | head -1; true").text
    check(found == "10001", f"inside: {found}")
    check(re.match(r"wattle \d", run(IMAGE, "wattle", "--version").text), "version")
    # Nothing that was left out is missed, and nothing runs as somebody else than whoever calls it.
    found = run("--user", "0", IMAGE, "sh", "-c", "find / -xdev -type f -perm /6000; for f in $(find /usr -type f -perm /111) $(find /usr/lib -name '*.so*'); do "
                "ldd $f 2>/dev/null | grep 'not found' && echo $f; done; ls -ld /tmp /app/metrics /home/wattle | cut -c1-10 | grep -v drwxrwxrwt; true").text
    check(not found, found)
    # Any user, nothing writable but what is meant to be, no privilege.
    text = run("--user", "4711:4711", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", IMAGE,
               "sh", "-c", "touch $METRICS_DIR/x; touch $HEALTH_FILE && echo beat", check=False).text
    check("beat" in text and "Read-only file system" in text, text)
    text = run("--user", "4711:4711", IMAGE, "sh", "-c", 'touch "$METRICS_DIR/x" "$HF_HOME/x" "$XDG_CACHE_HOME/x" "$HOME/x" && echo all').text
    check(text == "all", text)
    return f"ok: {megabytes:.1f} MB; broker {int(inspect(BROKER, '.Size')) / 1e6:.1f} MB"


def any_command_runs(folder):
    text = run(IMAGE, "wattle", "run", "--devices", "3", "--interval", "0.2", "--duration", "2s", check=False).text
    check(" 0 dropped" in text and "edge-device-03" in text, text)


def says_what_is_wrong(folder):
    """The seed's troubles, each one line and exit code 1 or 2."""
    own = os.path.join(folder, "metrics")
    os.makedirs(own, mode=0o755)  # by root, as Docker would
    if lab.has_model():
        p = run("-v", f"{own}:/app/metrics", *MODELS, *LLM, IMAGE, check=False)
        check(p.returncode == 1 and re.search(r"METRICS_DIR: cannot write in '/app/metrics' as user 10001: Permission denied", p.text), p.text)
    p = run("-e", "ENABLE_LLM=true", "-e", "LLM_MODEL_NAME=nobody/nothing", "-e", "HF_HUB_OFFLINE=1", IMAGE, check=False)
    check(p.returncode == 1 and "nobody/nothing" in p.text, p.text)
    p = run("-e", "LLM_TEMPERATURE=hot", IMAGE, check=False)
    check(p.returncode == 2 and "LLM_TEMPERATURE" in p.text and "hot" in p.text, p.text)
    # The seed's own line for the cache.
    os.makedirs(os.path.join(folder, "cache", "hub"))
    text = run("-v", f"{folder}/cache:/root/.cache/huggingface", IMAGE, "sh", "-c", "ls $HF_HOME").text
    check(text == "hub", text)


def data_is_found(folder):
    """The data that we bring; the user's own; a folder that Docker made."""
    empty, own = os.path.join(folder, "empty"), os.path.join(folder, "own")
    os.makedirs(empty), os.makedirs(own)
    with open(lab.DATASET, encoding="utf-8") as source, open(os.path.join(own, "mine.csv"), "w", encoding="utf-8") as out:
        out.writelines(next(source) for _ in range(100))
    for mount, expected in ((None, "'/app/dataset/telemetry-24h.csv'"), (own, "'/app/dataset/mine.csv': 99 rows"), (empty, "is empty, the data that we bring")):
        mounts = ["-v", f"{mount}:/app/dataset:ro"] if mount else []
        text = run(*mounts, "-e", "MQTT_BROKER=127.0.0.1", IMAGE, "timeout", "2", "wattle", "device", check=False).text
        check(expected in text and "Sent telemetry #1" in text, text)


# ---- one device ----

def ends_in_the_middle_of_an_inference(folder):
    """As process 1, with the real model, several times: at most 5 s, exit code 0, nothing lost."""
    if not lab.has_model():
        return "skipped: no model"
    slowest = 0.0
    for i, limit in enumerate(([], [], ["--cpus", "0.5"])):
        own = os.path.join(folder, f"metrics{i}")
        os.makedirs(own)
        os.chown(own, 10001, 10001)
        engine.docker("run", "-d", "--name", "middle", *limit, "-v", f"{own}:/app/metrics", *MODELS, *LLM, "-e", "MQTT_BROKER=127.0.0.1",
                      "-e", "TELEMETRY_INTERVAL=0.2", "-e", "LOG_LEVEL=DEBUG", IMAGE, "sh", "-c",
                      # A broker beside it that outlives it would be process 1's child: here the device is process 1.
                      "mosquitto -d -p 1883 && exec wattle device")
        try:
            lab.wait_for(lambda: logs("middle").count(" tokens/s, ") >= 1, "an inference", 180)
            check(engine.docker("top", "middle", "-o", "pid,args").text.count("wattle device") == 1, "one process")
            before = lab.wait_for(lambda: inference_under_way("middle", 2 * (i + 1)), "one more, just begun", 180)
            seconds, code = stop("middle")
            text = logs("middle")
            slowest = max(slowest, seconds)
            check(code == 0, f"exit code {code}: {text[-500:]}")
            check(seconds <= STOP_MAX_S, f"{seconds:.2f} s to the end")
            check("told to end: ending" in text and "not acknowledged" not in text, text[-800:])
            files = glob.glob(own + "/inference_metrics_00-0f-00-70-91-0a_*.json")
            check(len(files) == 1, f"{files}")
            saved = len(json.load(open(files[0], encoding="utf-8"))["detailed_metrics"])
            done = len(re.findall(r": analysis of telemetry #\d+: ", text))
            check(done == before, f"{done - before} inferences were done after the signal: none was in its middle")
            check(saved == done, f"{saved} inferences in the file, {done} in the log")
        finally:
            removed("middle")
    return f"ok: at most {slowest:.2f} s"


def ends_before_it_has_begun(folder):
    """While a model is being fetched from a hub that takes the call and says nothing."""
    if not engine.bridge:
        return "skipped: containers have no network of their own here"
    address = subprocess.run(["ip", "-4", "-o", "address", "show", "docker0"], capture_output=True, text=True).stdout
    gateway = re.search(r" inet ([\d.]+)/", address).group(1)
    with socket.create_server((gateway, 0)) as hub:
        engine.docker("run", "-d", "--name", "early", "-e", "ENABLE_LLM=true", "-e", "LLM_MODEL_NAME=some/model", "-e", "HF_HUB_DOWNLOAD_TIMEOUT=600",
                      "-e", f"HF_ENDPOINT=http://{gateway}:{hub.getsockname()[1]}", IMAGE)
        try:
            lab.wait_for(lambda: "starting for" in engine.docker("exec", "early", "wattle", "health", check=False).text, "it starts")
            check(engine.docker("exec", "early", "wattle", "health", "--ready", check=False).returncode == 1, "not ready")
            seconds, code = stop("early")
            check(seconds <= STOP_MAX_S and code == 0, f"{seconds:.2f} s, exit code {code}: {logs('early')}")
        finally:
            removed("early")


def generate(*limits):
    p = run(*limits, *MODELS, IMAGE, "wattle", "generate", "--model", MODEL, "--llm-temperature", "0", "--llm-max-new-tokens", "60",
            "--prompt", "Tell a long story about a bee", "--json", check=False, seconds=240)
    found = re.search(r'^\{"text".*\}$|^\{.*"usage".*\}$', p.text, re.M)
    return p, json.loads(found.group(0))["usage"] if found else None


def threads_follow_the_quota(folder):
    """A quota makes an engine slower in proportion; one that starts a thread a processor becomes many times slower."""
    if not lab.has_model():
        return "skipped: no model"
    rates = {}
    for _ in range(3):
        for quota in ("", "1", "0.5"):
            p, usage = generate(*(["--cpus", quota] if quota else []))
            check(usage, p.text)
            rates.setdefault(quota, []).append(usage["tokens_per_second"])
            if quota:
                check(usage["threads"] == 1, f"{usage['threads']} threads with --cpus {quota}")
    best = {q: max(r) for q, r in rates.items()}
    cores = len(os.sched_getaffinity(0))
    for quota in ("1", "0.5"):
        share = float(quota) / cores
        check(best[quota] > best[""] * share / 3, f"tokens/s by quota: {rates}")
    return "ok: best tokens/s " + ", ".join(f"{'--cpus ' + q if q else 'no quota'}: {r:.1f}" for q, r in best.items())


def too_little_memory_is_said(folder):
    if not lab.has_model():
        return "skipped: no model"
    for limit in ("20m", "28m"):  # less than the keys and values; less than those and the rest
        p = run("--memory", limit, "--memory-swap", limit, *MODELS, *LLM, IMAGE, check=False)
        last = p.text.splitlines()[-1]
        check(p.returncode == 1 and "memory limit" in last and "need" in last, f"{limit}: {p.returncode}: {p.text}")
    p = run("--memory", "64m", "--memory-swap", "64m", *MODELS, *LLM, "-e", "MQTT_BROKER=127.0.0.1", IMAGE, "timeout", "10", "wattle", "device", check=False)
    check("memory limit of 64 MiB: less than the " in p.text and "Sent telemetry #1" in p.text, p.text)
    p = run("--memory", "256m", *MODELS, *LLM, "-e", "MQTT_BROKER=127.0.0.1", IMAGE, "timeout", "10", "wattle", "device", check=False)
    check("memory limit" not in p.text and "Sent telemetry #1" in p.text, p.text)


# ---- the composition ----

# docker-compose packs the sources otherwise than the client does, so that it would build all of it once more.
SAME_LAYERS = {"COMPOSE_DOCKER_CLI_BUILD": "1", "DOCKER_BUILDKIT": "0", "PATH": "/usr/bin:" + os.environ.get("PATH", "")}


def compose(folder, *args, seconds=None, check=True):
    p = subprocess.run(["docker-compose", "--no-ansi", *args], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=seconds or lab.PATIENCE, env={**os.environ, "DOCKER_HOST": engine.host, **SAME_LAYERS})
    text = p.stdout.decode("utf-8", "replace")
    if check and p.returncode:
        raise AssertionError(f"docker-compose {' '.join(args)}: {p.returncode}: {text[-2000:]}")
    return text


def up(folder, port):
    """wattle compose, then docker-compose up --build, as the seed does it."""
    code, out, err = lab.run("compose", "--devices", "3", "--enable-llm", "--llm-devices", "1,3", "--llm-model", lab.MODEL, "--llm-inference-interval", "2",
                             "--llm-max-new-tokens", "24", "--interval", "0.5-1", "--mqtt-port", str(port), "--memory", "512m",
                             "--build", lab.SOURCE, "--output", os.path.join(folder, "docker-compose.yml"), DATASET_PATH="", HF_HOME=os.path.join(folder, "hf"))
    check(code == 0, f"wattle compose: {code}: {err}")
    services = json.loads(subprocess.run(["docker-compose", "config", "--services"], cwd=folder, capture_output=True, check=True).stdout.decode().replace("\n", '","').join(['["', '"]']).replace(',""', ""))
    check(set(services) == {"mqtt-broker", *DEVICES}, f"services {services}")
    compose(folder, "up", "-d", "--build", seconds=600)


def composition(folder):
    """Three devices and a broker; the second has no model; what is published is what is saved."""
    if not lab.has_model():
        return "skipped: no model"
    if not engine.bridge:
        return "skipped: containers have no network of their own here"
    port = lab.free_port()
    up(folder, port)
    try:
        lab.wait_for(lambda: inspect("mqtt-broker", ".State.Health.Status") == "healthy", "the broker is healthy")
        sub = lab.Subscriber(port, ["iot/#"])
        for name, id in DEVICES.items():
            sub.wait(f"iot/telemetry/{id}", 3)
            lab.wait_for(lambda n=name: inspect(n, ".State.Health.Status") == "healthy", f"{name} is healthy", 90)
            ready = engine.docker("exec", name, "wattle", "health", "--ready").text
            check(re.match(r"running: 1 of 1 devices? connected", ready), ready)
        sub.wait(f"iot/analysis/{DEVICES['edge-device-01']}", 3, 180)
        sub.wait(f"iot/analysis/{DEVICES['edge-device-03']}", 3, 180)
        check("Compute device: cpu" in logs("edge-device-01") and "LLM Inference: Enabled" in logs("edge-device-01"), "log wording")
        check("LLM Inference: Disabled" in logs("edge-device-02") and "Compute device" not in logs("edge-device-02"), "the second has no model")
        texts = {name: subprocess.Popen([engine.cli, "-H", engine.host, "logs", "-f", name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for name in DEVICES}
        codes = {name: subprocess.Popen([engine.cli, "-H", engine.host, "wait", name], stdout=subprocess.PIPE) for name in DEVICES}
        began = time.monotonic()
        compose(folder, "down")
        seconds = time.monotonic() - began
        for name, p in codes.items():
            check(p.communicate()[0].strip() == b"0", f"exit code of {name}")
        texts = {name: p.communicate()[0].decode("utf-8", "replace") for name, p in texts.items()}
        lab.wait_for(lambda: sub.process.poll() is not None or all(any(m[0] == f"iot/status/{id}" and m[1] == b"offline" for m in sub.messages()) for id in DEVICES.values()), "goodbyes")
        sub.close()
    finally:
        compose(folder, "down", "-v", check=False)
    n = 0
    for name, id in DEVICES.items():
        check("told to end: ending" in texts[name] and "not acknowledged" not in texts[name], f"{name}: {texts[name][-800:]}")
        files = glob.glob(os.path.join(folder, "metrics", name, "*.json"))
        published = [m for t, m in sub.json("iot/metrics/" + id) if not t.endswith("/summary")]
        if name == "edge-device-02":
            check(not files and not published, f"{name}: {files}, {len(published)} published")
            continue
        check(len(files) == 1 and re.fullmatch(rf"inference_metrics_{id.replace(':', '-')}_\d{{8}}_\d{{6}}\.json", os.path.basename(files[0])), f"{files}")
        data = json.load(open(files[0], encoding="utf-8"))
        done = texts[name].count(": analysis of telemetry #")
        saved = data["detailed_metrics"]
        check(saved == published and len(saved) == done, f"{name}: {len(published)} published, {len(saved)} saved, {done} in the log")
        check(data["summary"]["total_inferences"] == len(saved) >= 3, f"{data['summary']}")
        check(len(sub.messages("iot/analysis/" + id)) == len(saved), "analyses")
        n += len(saved)
    return f"ok: {n} inferences published and saved, down in {seconds:.1f} s"


def asked(url, token=None):
    """Status and text of a page."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=lab.PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def engine_and_dashboard(folder):
    """One server has the model and answers two devices; the page has what they say, for whoever has the token."""
    if not lab.has_model():
        return "skipped: no model"
    if not engine.bridge:
        return "skipped: containers have no network of their own here"
    port, page = lab.free_port(), lab.free_port()
    arguments = ["compose", "--devices", "2", "--enable-llm", "--llm-model", lab.MODEL, "--llm-inference-interval", "2", "--llm-max-new-tokens", "16",
                 "--interval", "0.5-1", "--engine", "--dashboard", "--mqtt-port", str(port), "--dashboard-port", str(page), "--image", IMAGE,
                 "--broker-image", BROKER, "--output", os.path.join(folder, "docker-compose.yml")]
    for _ in range(2):  # the same again needs no --force
        code, _, err = lab.run(*arguments, DATASET_PATH="", HF_HOME=os.path.join(folder, "hf"))
        check(code == 0, f"wattle compose: {code}: {err}")
    token = open(os.path.join(folder, "secrets", "dashboard-token"), encoding="ascii").read().strip()
    two = dict(list(DEVICES.items())[:2])
    try:
        compose(folder, "up", "-d", seconds=120)
        for name in ("mqtt-broker", "engine", "dashboard", *two):
            lab.wait_for(lambda n=name: inspect(n, ".State.Health.Status") == "healthy", f"{name} is healthy", 90)
        sub = lab.Subscriber(port, ["iot/metrics/#"])
        for name, id in two.items():
            sub.wait(f"iot/metrics/{id}", 4, 120)
            text = logs(name)
            check("Compute device: that of the server at http://engine:8090" in text and "warning:" not in text, text[:1500])
            check(engine.docker("exec", name, "ls", "/app/models", check=False).returncode != 0, f"{name} needs no model")
        knock = "exec 3<>/dev/tcp/engine/8090 && printf 'GET /v1/models HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' >&3 && head -1 <&3"
        check(" 401 " in engine.docker("exec", "dashboard", "bash", "-c", knock).text, "the engine wants its key")
        url = f"http://127.0.0.1:{page}"
        check(asked(url + "/")[0] == 401 and asked(url + "/metrics", "wrong-token")[0] == 401, "the page wants its token")
        check(asked(url + "/", token)[0] == 200, "the page")
        status, text = asked(url + "/metrics", token)
        check(status == 200 and all(id in text for id in two.values()) and "wattle_" in text, text[:500])
        check(token not in engine.docker("inspect", "dashboard").text, "docker inspect does not show the token")
        compose(folder, "stop", *two)
        sub.close()
    finally:
        compose(folder, "down", "-v", check=False)
    n = 0
    for name, id in two.items():
        files = glob.glob(os.path.join(folder, "metrics", name, "*.json"))
        check(len(files) == 1, f"{name}: {files}")
        saved = json.load(open(files[0], encoding="utf-8"))["detailed_metrics"]
        published = [m for t, m in sub.json("iot/metrics/" + id) if not t.endswith("/summary")]
        check(published and saved[-len(published):] == published, f"{name}: {len(published)} published since, {len(saved)} saved")
        check(all(not m["error"] and m["compute_device"] for m in saved), f"{name}: {saved[-1]}")
        n += len(saved)
    return f"ok: {n} inferences of one engine"


def build(folder):
    """Both images, from the sources alone."""
    for tag, more in ((BROKER, ["--target", "broker"]), (IMAGE, [])):
        proxy = docker_engine.apt_proxy()
        engine.docker("build", "-q", "-f", os.path.join(lab.SOURCE, "packaging", "Dockerfile"), *(["--build-arg", f"http_proxy={proxy}"] if proxy else []),
                      *([] if engine.bridge else ["--network", "host"]), "-t", tag, *more, lab.SOURCE, seconds=600)


def arm64(folder):
    """The same image for arm64: compiled on this machine, run under the emulator."""
    base, tag = "debian-arm64:12-slim", "iot-device-simulator:arm64"
    here = ["--platform", "linux/arm64", tag]  # without the first, docker warns that this machine is another
    if not os.access(docker_engine.QEMU, os.X_OK) or not engine.bridge:
        return "skipped: qemu-user-static is not installed"
    if engine.docker("image", "inspect", base, check=False).returncode:
        why = docker_engine.import_base(engine, base, "arm64")
        if why:
            return "skipped: " + why
    empty = subprocess.run([os.path.join(lab.SOURCE, "packaging", "empty-image"), "arm64", "empty:arm64"], capture_output=True, check=True).stdout
    engine.docker("load", stdin=None, input=empty)
    proxy = docker_engine.apt_proxy()
    engine.docker("build", "-q", "-f", os.path.join(lab.SOURCE, "packaging", "Dockerfile"), *(["--build-arg", f"http_proxy={proxy}"] if proxy else []),
                  "--build-arg", f"BASE={base}", "--build-arg", "BUILD_BASE=debian:12-slim", "--build-arg", "RESULT=empty:arm64", "--build-arg", "ARCH=arm64",
                  "-t", tag, lab.SOURCE, seconds=900)
    check(inspect(tag, ".Os") + "/" + inspect(tag, ".Architecture") == "linux/arm64", "label")
    megabytes = int(inspect(tag, ".Size")) / 1e6
    check(megabytes < SIZE_MAX_MB, f"{megabytes:.0f} MB, expected less than {SIZE_MAX_MB}")
    check(run(*here, "uname", "-m").text == "aarch64", "machine")
    check(re.match(r"wattle \d", run(*here, "wattle", "--version").text), "version")
    golden = os.path.join(lab.SOURCE, "tests", "golden", "gguf")
    cases = json.load(open(os.path.join(golden, "llama-mha-q4_0.gguf.golden.json"), encoding="utf-8"))["cases"][:2]
    shutil.copy(os.path.join(golden, "llama-mha-q4_0.gguf"), folder)
    with open(os.path.join(folder, "in.jsonl"), "w", encoding="utf-8") as f:
        f.writelines(json.dumps({k: c[k] for k in ("case", "ids", "positions", "greedy", "continuation")}) + "\n" for c in cases)
    os.chmod(folder, 0o755)
    p = run("-v", f"{folder}:/golden:ro", *here, "wattle", "logits", "--model", "/golden/llama-mha-q4_0.gguf", "--quant", "f32", "--input", "/golden/in.jsonl")
    answers = [json.loads(line) for line in p.text.splitlines() if line.startswith("{")]
    check(len(answers) == len(cases), p.text)
    for answer, case in zip(answers, cases):
        check(answer["greedy"] == case["expect"]["greedy"], f"{answer['greedy']}, expected {case['expect']['greedy']}")
        worst = max(abs(a - b) for at, row in case["expect"]["logits"].items() for a, b in zip(answer["logits"][at], row))
        check(worst < 1e-3, f"logits differ by {worst}")
    if not lab.has_model():
        return f"ok: {megabytes:.1f} MB; no real model"
    text = run(*MODELS, *here, "wattle", "run", "--devices", "1", "--enable-llm", "--llm-model", MODEL, "--llm-max-new-tokens", "16", "--llm-inference-interval", "1",
               "--inferences", "1", seconds=400).text
    check(re.search(r"; 1 inferences?, 0 failed", text) and " 0 dropped" in text and "Compute device: cpu" in text, text)
    return f"ok: {megabytes:.1f} MB; " + re.search(r"analysis of telemetry #1: .*", text).group(0)


TESTS = [build, image_is_small_and_has_no_root, any_command_runs, says_what_is_wrong, data_is_found, ends_in_the_middle_of_an_inference,
         ends_before_it_has_begun, threads_follow_the_quota, too_little_memory_is_said, composition, engine_and_dashboard]
BY_NAME = [arm64]  # minutes of emulation: python3 tests/e2e/docker.py arm64


def main(arguments):
    global engine
    with lab.Folder() as folder:
        if arguments[:1] == ["--engine"]:
            engine, names = docker_engine.Borrowed(arguments[1]), arguments[2:]
        else:
            engine, names = docker_engine.Engine(folder), arguments
        try:
            print(f"engine: {engine.way}; base image: {docker_engine.base_image(engine)}", flush=True)
            if not names:
                print("arm64: skipped: the image under emulation is built by name only: tests/e2e/docker.py arm64", flush=True)
            lab.main(*[t for t in TESTS + BY_NAME if (t.__name__ in names if names else t in TESTS)])
        finally:
            engine.close()


if __name__ == "__main__":
    main(sys.argv[1:])
