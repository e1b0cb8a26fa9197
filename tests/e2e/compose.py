# SPDX-License-Identifier: MIT
"""wattle compose, read back by others (compose_targets.py has more): PyYAML (YAML 1.1), ruamel.yaml (1.2), compose-spec and kubernetes-validate from PyPI,
docker-compose, systemd-analyze and a shell. What each sees for a device must be what was put in. Skips by name what cannot be had."""
import json
import os
import re
import shutil
import stat
import subprocess
import sys

import lab
from lab import check

CASES = os.path.join(lab.SOURCE, "tests", "cases")
SEED_IDS = ["00:0f:00:70:91:0a", "1c:bf:ce:15:ec:4d", "b8:27:eb:bf:9d:51"]
NASTY = ["yes", "no", "on", "y", "null", "~", "0012", "22:22", "1:20:30", "1e3", ".inf", ".nan", "0x1F", "0o17", "1_000", "2024-01-01", "=", "<<",
         " lead", "trail ", "a: b", "a #b: c", "#x", "- x", "? x", "| x", "> x", "x:", "{a: b}", "[x]", "*a", "&a", "!t", "!!int 3", "%d", "%h%i", "@x",
         "`id`", "'q'", '"q"', "back\\slash", "trailing\\", "\\n", "tab\there", "new\nline", "\n", "two\r\nlines\n", "é", "日本", "🙂", "a\u2028b",
         "a\u0085b", "a\ufeffb", "\x7f", "bell\x07esc\x1b", "$HOME", "$$", "${X}", "${X:-y}", "$(MQTT_PORT)", "B!nary$reFlag$", "---", "...", ",", "x" * 5000]
python = None

READ = """
import json, sys
name, *paths = sys.argv[1:]
def parse(text):
    if name == "yaml":
        import yaml
        return list(yaml.safe_load_all(text))
    if name == "ruamel":
        from ruamel.yaml import YAML
        y = YAML(typ="safe", pure=True)
        y.version = (1, 2)
        return list(y.load_all(text))
    if name == "compose":
        from compose_spec import PyCompose
        return [PyCompose.from_yaml(text).to_dict()]
    import yaml
    from kubernetes_validate import utils as k
    out = []
    for d in yaml.safe_load_all(text):
        for version in {k.latest_version(), min(k.all_versions(), key=lambda v: tuple(map(int, v.split("."))))}:
            k.validate(d, version, strict=True)
        out.append(d["kind"])
    return out
print(json.dumps([parse(open(p, encoding="utf-8").read()) for p in paths]))
"""


def find_python(folder):
    """A Python with the readers: the one in WATTLE_COMPOSE_PYTHON, or fresh from PyPI; None without."""
    given = os.environ.get("WATTLE_COMPOSE_PYTHON")
    if given:
        return given
    made = os.path.join(folder, "venv")
    wanted = ["pyyaml", "ruamel.yaml", "compose-spec", "kubernetes-validate"]
    if subprocess.run([sys.executable, "-m", "venv", made], capture_output=True).returncode:
        return None
    got = subprocess.run([os.path.join(made, "bin", "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "1", *wanted],
                         capture_output=True, timeout=200)
    return None if got.returncode else os.path.join(made, "bin", "python")


def read_all(name, paths):
    r = subprocess.run([python, "-c", READ, name, *paths], capture_output=True, timeout=lab.PATIENCE)
    check(r.returncode == 0, f"{name} on {paths[0]}: {r.stderr.decode()[-1500:]}")
    return json.loads(r.stdout)


def read(name, path):
    return read_all(name, [path])[0]


def compose(folder, *args, code=0, **env):
    """Runs it in the folder; its standard output and error."""
    values = {k: v for k, v in os.environ.items() if k in ("PATH", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")}
    values.update({"HOME": folder, **env})
    p = subprocess.run([lab.WATTLE, "compose", *args], cwd=folder, env=values, stdin=subprocess.DEVNULL, capture_output=True, timeout=lab.PATIENCE)
    out, err = p.stdout.decode(), p.stderr.decode()
    check(p.returncode == code, f"{args}: exit code {p.returncode}, expected {code}: {out[-300:]} {err}")
    return out, err


def undouble(value):
    """What the engine makes of a value without variables in it."""
    check("$" not in value.replace("$$", ""), f"a dollar alone would be interpolated: {value!r}")
    return value.replace("$$", "$")


def variables(service):
    """NAME -> value of a service as a reader gave it."""
    environment = service["environment"]
    check(all(isinstance(x, str) for x in environment), f"{environment}")
    return dict(undouble(x).split("=", 1) for x in environment)


def services(path):
    """Both YAML versions agree; what they say."""
    old, new = read("yaml", path), read("ruamel", path)
    check(old == new, f"YAML 1.1 and 1.2 differ in {path}")
    return old[0]


def by_docker_compose(*paths):
    """The services' environments as docker-compose has them; NAME -> NAME -> value."""
    program = shutil.which("docker-compose")
    if not program:
        return None
    files = [word for path in paths for word in ("-f", path)]
    r = subprocess.run([program, *files, "config"], capture_output=True, timeout=lab.PATIENCE, cwd=os.path.dirname(paths[0]))
    check(r.returncode == 0, f"docker-compose config: {r.stderr.decode()}")
    shown = paths[0] + ".config"
    with open(shown, "wb") as f:
        f.write(r.stdout)
    found = read("yaml", shown)[0]["services"]
    return {s: {k: undouble(str(v)) for k, v in d.get("environment", {}).items()} for s, d in found.items()}


# ---- tests ----

def seed_example(folder):
    """The seed's own command lines, and the names of its example."""
    os.mkdir(os.path.join(folder, "packaging"))
    open(os.path.join(folder, "packaging", "Dockerfile"), "w").close()
    out, _ = compose(folder, "--devices", "5", "--enable-llm", "--llm-devices", "1,3,5", "--llm-model", "TinyLlama/TinyLlama-1.1B-Chat-v1.0")
    check(out == "wrote docker-compose.yml\nnext: docker compose up --build\n", out)
    path = os.path.join(folder, "docker-compose.yml")
    text = open(path, encoding="utf-8").read()
    for line in ("    image: iot-device-simulator:latest", "      - DEVICE_NAME=edge-device-01", "      - DEVICE_ID=00:0f:00:70:91:0a",
                 "      - MQTT_BROKER=mqtt-broker", "      - MQTT_PORT=1883", "      - ENABLE_LLM=true", "      - LLM_INFERENCE_INTERVAL=5",
                 "      - LLM_MODEL_NAME=TinyLlama/TinyLlama-1.1B-Chat-v1.0", "      - ./config:/etc/edge-device:ro", "      - ./dataset:/app/dataset:ro",
                 "      - ./metrics/edge-device-01:/app/metrics", "      - ./metrics/edge-device-05:/app/metrics"):
        check(line in text.split("\n"), f"missing: {line}")
    check(stat.S_IMODE(os.stat(path).st_mode) & 0o044, "no secret, no closed file")
    ids = re.findall(r"DEVICE_ID=(.*)", text)
    check(ids[:3] == SEED_IDS and len(set(ids)) == 5 and all(i.startswith("02:") for i in ids[3:]), f"{ids}")
    check(all(os.path.isdir(os.path.join(folder, "metrics", f"edge-device-0{n}")) for n in range(1, 6)), "metrics folders")
    check(text.count("dockerfile:") == 2, "one build an image")
    if not python:
        return "skipped: the YAML readers can't be fetched from PyPI"
    s = services(path)["services"]
    check(list(s) == ["mqtt-broker"] + [f"edge-device-0{n}" for n in range(1, 6)], f"{list(s)}")
    for n in range(1, 6):
        d = s[f"edge-device-0{n}"]
        check(d["container_name"] == f"edge-device-0{n}", f"{d}")
        check(d["depends_on"] == {"mqtt-broker": {"condition": "service_healthy"}}, f"{d}")
        v = variables(d)
        check(v["ENABLE_LLM"] == ("true" if n % 2 else "false"), f"{v}")
        check(("LLM_MODEL_NAME" in v) == bool(n % 2), f"{v}")
    check([d for d in s["edge-device-01"]["volumes"] if "huggingface" in str(d)] and not
          [d for d in s["edge-device-02"]["volumes"] if "huggingface" in str(d)], "the cache is for devices with a model")
    check(any("LLM_PACKED_DIR=/home/wattle/.cache/huggingface/" in str(v) for v in s["edge-device-01"]["environment"]), "packed weights are shared")
    read("compose", path)
    seen = by_docker_compose(path)
    if seen is None:
        return "skipped: docker-compose is not installed"
    check(seen["edge-device-04"]["DEVICE_ID"] == ids[3], f"{seen}")


def cases(folder):
    """tests/cases/compose/values.jsonl, by flag and by environment."""
    if not python:
        return "skipped: the YAML readers can't be fetched from PyPI"
    done = 0
    for line in open(os.path.join(CASES, "compose", "values.jsonl"), encoding="utf-8"):
        case = json.loads(line)
        if "key" not in case:
            compose(folder, "--force", *case["flag"].split())
            s = services(os.path.join(folder, "docker-compose.yml"))["services"]
            check(all(isinstance(p, str) for d in s.values() for p in d.get("ports", [])), f"{s}")
            check(s["mqtt-broker"]["ports"] == ["127.0.0.1:22:22"] and variables(s["edge-device-01"])["MQTT_PORT"] == "22", f"{s}")
        elif case.get("target") == "kubernetes":
            compose(folder, "--force", "--target", "kubernetes", "--enable-llm")
            pods = [d for d in read("yaml", os.path.join(folder, "kubernetes", "40-devices.yaml")) if d["kind"] == "StatefulSet"]
            env = pods[0]["spec"]["template"]["spec"]["containers"][0]["env"]
            check({"name": case["key"], "value": case["value"]} in env, f"{env}")
        else:
            key, value = case["key"], case["value"]
            env = {"ENABLE_LLM": "true", "MQTT_USERNAME": "u", "MQTT_BROKER": "b", key: value}
            flag = "--" + key.lower().replace("_", "-")
            for args, given in (([], env), ([f"{flag}={value}"], {k: v for k, v in env.items() if k != key})):
                compose(folder, "--force", *args, **given)
                path = os.path.join(folder, "docker-compose.yml")
                got = variables(services(path)["services"]["edge-device-01"])
                check(got[key] == value, f"{case}: {got[key]!r}")
                read("compose", path)
                seen = by_docker_compose(path)
                check(seen is None or seen["edge-device-01"][key] == value, f"{case}: {seen}")
        done += 1
    check(done >= 7, f"{done} cases")


def nasty_values(folder):
    """As password and as device name, in the compose file, the manifests and the units."""
    if not python:
        return "skipped: the YAML readers can't be fetched from PyPI"
    lines = open(os.path.join(CASES, "json", "v-js3-device-name.env"), encoding="utf-8").read().rstrip("\n").split("\n")
    values = NASTY + [dict(line.split("=", 1) for line in lines)["DEVICE_NAME"], 'edge "one"\\\t01\x01']
    # the number keeps services apart, which docker-compose then merges into one composition
    names = [f"{value[:100]}-{n}" for n, value in enumerate(values)]
    at = lambda *parts: os.path.join(folder, *parts)
    for n, value in enumerate(values):
        env = {"MQTT_BROKER": "b", "MQTT_USERNAME": "u", "MQTT_PASSWORD": value, "DEVICE_NAME": names[n]}
        compose(folder, "--output", f"{n}.yml", **env)
        check(stat.S_IMODE(os.stat(at(f"{n}.yml")).st_mode) == 0o600, "a file with a secret is its owner's")
        compose(folder, "--target", "kubernetes", "--output", f"k{n}", **env)
        compose(folder, "--target", "systemd", "--output", f"s{n}", **env)
        compose(folder, "--target", "swarm", "--output", f"w{n}.yml", **env)
        check(stat.S_IMODE(os.stat(at(f"w{n}.yml")).st_mode) == 0o600, "a stack with a secret is its owner's")
        seen = by_shell(at(f"s{n}", "wattle.env"))["MQTT_PASSWORD"]
        check(seen == value, f"{value!r}: {seen!r}")
        device, = [f for f in os.listdir(at(f"s{n}")) if f.startswith("wattle-device@") and f.endswith(".env")]
        check(by_shell(at(f"s{n}", device))["DEVICE_NAME"] == names[n], f"{value!r}")
    paths = [at(f"{n}.yml") for n in range(len(values))]
    old, new = read_all("yaml", paths), read_all("ruamel", paths)
    read_all("compose", paths)
    seen = by_docker_compose(*paths)
    stacks = [at(f"w{n}.yml") for n in range(len(values))]
    swarm, swarm_12 = read_all("yaml", stacks), read_all("ruamel", stacks)
    secrets = read_all("ruamel", [at(f"k{n}", "11-secrets.yaml") for n in range(len(values))])
    devices = read_all("yaml", [at(f"k{n}", "40-devices.yaml") for n in range(len(values))])
    for n, value in enumerate(values):
        check(old[n] == new[n], f"{value!r}: YAML 1.1 and 1.2 differ")
        check(swarm[n] == swarm_12[n], f"{value!r}: YAML 1.1 and 1.2 differ in the stack")
        (service, d), = swarm[n][0]["services"].items()
        got = variables(d)
        check(got["MQTT_PASSWORD"] == value and got["DEVICE_NAME"] == names[n], f"{value!r}: in the stack {got}")
        (service, d), = old[n][0]["services"].items()
        check(re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", service) and len(service) < 53, service)
        got = variables(d)
        check(got["MQTT_PASSWORD"] == value and got["DEVICE_NAME"] == names[n], f"{value!r}: {got}")
        # what docker-compose prints goes through PyYAML, whose writer folds U+0085
        check(seen is None or "\x85" in value or (seen[service]["MQTT_PASSWORD"], seen[service]["DEVICE_NAME"]) == (value, names[n]),
              f"{value!r}: {seen and seen[service]}")
        check(secrets[n][0]["stringData"]["MQTT_PASSWORD"] == value, f"{value!r}: {secrets[n]}")
        check(devices[n][1]["metadata"]["name"] == service, f"{devices[n]}")
        env = {v["name"]: v.get("value") for v in devices[n][1]["spec"]["template"]["spec"]["containers"][0]["env"]}
        check(undouble(env["DEVICE_NAME"]) == names[n], f"{value!r}: {env}")
    return None if seen else "skipped: docker-compose is not installed: the rest is ok"


def by_shell(path):
    """In double quotes an EnvironmentFile= and a POSIX shell mean the same."""
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    r = subprocess.run(["sh", "-c", 'set -a; . "$1"; exec "$2" -c "$3"', "sh", path, sys.executable, code], env={"PATH": os.environ["PATH"]},
                       capture_output=True, timeout=lab.PATIENCE)
    check(r.returncode == 0, r.stderr.decode())
    return json.loads(r.stdout)


def mounts_of(service):
    """Place inside -> (on the host, whether it is read only)."""
    mounts = {}
    for v in service["volumes"]:
        if isinstance(v, dict):
            mounts[undouble(v["target"])] = (undouble(v["source"]), v.get("read_only", False))
        else:
            host, place, *mode = undouble(v).split(":")
            mounts[place] = (host, mode == ["ro"])
    return mounts


def files_of_the_host(folder):
    """A model, a prompt, a password and a dataset of this machine are mounted; the device is told where."""
    if not python:
        return "skipped: the YAML readers can't be fetched from PyPI"
    odd = os.path.join(folder, "my: models #1")
    snapshot = os.path.join(folder, "hub", "models--acme--tiny", "snapshots", "abc")
    os.makedirs(os.path.join(odd, "folder"))
    os.makedirs(snapshot)
    for path in (os.path.join(odd, "m$1.gguf"), os.path.join(odd, "part-00001-of-00002.gguf"), os.path.join(odd, "folder", "model.safetensors"),
                 os.path.join(snapshot, "config.json"), os.path.join(folder, "p.txt"), os.path.join(folder, "pw"), os.path.join(folder, "d.csv")):
        with open(path, "w", encoding="utf-8") as f:
            f.write("x\n")
    common = ["--force", "--enable-llm", "--llm-prompt-file", "p.txt", "--mqtt-username", "u", "--mqtt-password-file", "pw", "--dataset-path", "d.csv"]
    for model, source, inside in ((os.path.join(odd, "m$1.gguf"), os.path.join(odd, "m$1.gguf"), "/app/models/m$1.gguf"),
                                  ("./my: models #1/part-00001-of-00002.gguf", odd, "/app/models/my: models #1/part-00001-of-00002.gguf"),
                                  (os.path.join(odd, "folder", "model.safetensors"), os.path.join(odd, "folder"), "/app/models/folder/model.safetensors"),
                                  (os.path.join(odd, "folder/"), os.path.join(odd, "folder"), "/app/models/folder"),
                                  (snapshot, os.path.join(folder, "hub", "models--acme--tiny"), "/app/models/models--acme--tiny/snapshots/abc")):
        _, err = compose(folder, *common, "--llm-model", model)
        path = os.path.join(folder, "docker-compose.yml")
        s = services(path)["services"]
        got = variables(s["edge-device-01"])
        check(got["LLM_MODEL_NAME"] == inside, f"{model}: {got}")
        mounts = mounts_of(s["edge-device-01"])
        top = inside if os.path.isfile(source) else "/".join(inside.split("/")[:4])
        check(mounts[top] == (source, True), f"{model}: {mounts}")
        for key, name in (("LLM_PROMPT_FILE", "p.txt"), ("MQTT_PASSWORD_FILE", "pw"), ("DATASET_PATH", "d.csv")):
            check(mounts[got[key]] == (os.path.join(folder, name), True), f"{key}: {mounts}")
        check("MQTT_PASSWORD_FILE" in variables(s["mqtt-broker"]), "the broker asks for the password too")
        check("pw" in err or os.geteuid() != 0 or os.stat(os.path.join(folder, "pw")).st_mode & 0o004, err)
        read("compose", path)
        by_docker_compose(path)
        host_files_in_a_swarm(folder, model, (source, top, inside), common)
    # a folder of telemetry takes the place of ./dataset; what is not here is passed on, and said
    os.mkdir(os.path.join(folder, "data"))
    _, err = compose(folder, "--force", "--dataset-path", "data", "--enable-llm", "--llm-prompt-file", "/etc/edge-device/p.txt", "--llm-model", "/models/m.gguf")
    d = services(os.path.join(folder, "docker-compose.yml"))["services"]["edge-device-01"]
    check(sum(":/app/dataset:" in str(v) for v in d["volumes"]) == 1, f"{d['volumes']}")
    check(variables(d)["LLM_PROMPT_FILE"] == "/etc/edge-device/p.txt" and variables(d)["LLM_MODEL_NAME"] == "/models/m.gguf", f"{d}")
    check(err.count("is not on this machine") == 2, err)


def host_files_in_a_swarm(folder, model, expected, common):
    """The model and the dataset are bound, and that is said; a prompt and a password are secrets."""
    source, top, inside = expected
    _, err = compose(folder, "--target", "swarm", *common, "--llm-model", model)
    path = os.path.join(folder, "docker-stack.yml")
    stack = read("yaml", path)[0]
    check(stack == read("ruamel", path)[0], "YAML 1.1 and 1.2 differ in the stack")
    d = stack["services"]["edge-device-01"]
    got, mounts = variables(d), mounts_of(d)
    check(got["LLM_MODEL_NAME"] == inside and mounts[top] == (source, True), f"{model}: {got} {mounts}")
    check(mounts[got["DATASET_PATH"]] == (os.path.join(folder, "d.csv"), True), f"{mounts}")
    check(err.count("has to be on every node of the swarm") == 2 and source in err and os.path.join(folder, "d.csv") in err, err)
    secrets = {s["target"]: s for s in d["secrets"]}
    for key, name in (("LLM_PROMPT_FILE", "p.txt"), ("MQTT_PASSWORD_FILE", "pw")):
        secret = secrets[got[key]]
        check(undouble(stack["secrets"][secret["source"]]["file"]) == os.path.join(folder, name) and got[key] not in mounts, f"{key}: {stack['secrets']} {mounts}")
        check(secret["uid"] == "10001" and secret["mode"] & 0o337 == 0, f"{key}: {secret}")
    asked = stack["services"]["mqtt-broker"]
    check([s["target"] for s in asked["secrets"]] == [variables(asked)["MQTT_PASSWORD_FILE"]], f"{asked}")


def broker_elsewhere(folder):
    """--no-mqtt: no broker, nothing that waits for one or is its own; where the devices look for one is said."""
    if not python:
        return "skipped: the YAML readers can't be fetched from PyPI"
    note = "without a broker of its own, the devices look for one at 'mqtt-broker': --mqtt-broker names another"
    for target, name in (("compose", "docker-compose.yml"), ("swarm", "docker-stack.yml")):
        for own in (True, False):
            args = ["--no-mqtt"] if own else ["--no-mqtt", "--mqtt-broker", "b.example"]
            _, err = compose(folder, "--target", target, "--devices", "2", "--dashboard", "--force", *args)
            check((note in err) == own, err)
            s = services(os.path.join(folder, name))
            check(sorted(s["services"]) == ["dashboard", "edge-device-01", "edge-device-02"], f"{target}: {list(s['services'])}")
            check("mqtt-data" not in s.get("volumes", {}), f"{target}: {s.get('volumes')}")
            for d in s["services"].values():
                check("depends_on" not in d, f"{target}: {d}")
                check(variables(d)["MQTT_BROKER"] == ("mqtt-broker" if own else "b.example"), f"{target}: {d}")
    compose(folder, "--force")  # all of it is there with one
    s = services(os.path.join(folder, "docker-compose.yml"))
    check("mqtt-broker" in s["services"] and "depends_on" in s["services"]["edge-device-01"] and "mqtt-data" in s["volumes"], f"{s}")


def config_of_single_devices(folder):
    """What a config file says of all, and of one device alone; two models of one name lie apart."""
    if not python:
        return "skipped: the YAML readers can't be fetched from PyPI"
    for d in ("a", "b"):
        os.mkdir(os.path.join(folder, d))
        with open(os.path.join(folder, d, "m.gguf"), "w", encoding="utf-8") as f:
            f.write("GGUF")
    with open(os.path.join(folder, "c.yaml"), "w", encoding="utf-8") as f:
        f.write("LLM_MODEL_NAME: a/m.gguf\nENABLE_LLM: yes\nLLM_STOP: |\n  END\n  ###\nALARM_TEMP_MAX: 60\ndevices:\n"
                "  edge-device-02:\n    LLM_MODEL_NAME: b/m.gguf\n    LLM_TEMPERATURE: 0\n    TELEMETRY_INTERVAL: 2.5\n"
                "  edge-device-03:\n    ENABLE_LLM: no\n    ALARM_TEMP_MAX: 0070\n")
    compose(folder, "--devices", "4", "--config", "c.yaml")
    path = os.path.join(folder, "docker-compose.yml")
    s = services(path)["services"]
    seen = [variables(s[f"edge-device-0{n}"]) for n in range(1, 5)]
    check([v.get("LLM_MODEL_NAME") for v in seen] == ["/app/models/m.gguf", "/app/models/2/m.gguf", None, "/app/models/m.gguf"], f"{seen}")
    check([v["ENABLE_LLM"] for v in seen] == ["yes", "yes", "false", "yes"], f"{seen}")
    check([v.get("LLM_TEMPERATURE") for v in seen] == [None, "0", None, None] and seen[1]["TELEMETRY_INTERVAL"] == "2.5", f"{seen}")
    check([v["ALARM_TEMP_MAX"] for v in seen] == ["60", "60", "0070", "60"] and seen[0]["LLM_STOP"] == "END\n###\n", f"{seen}")
    check(all("WATTLE_CONFIG" not in v for v in seen), "the file is of this machine")
    for d in s.values():
        names = [x.split("=")[0] for x in d.get("environment", [])]
        check(len(names) == len(set(names)), f"twice: {names}")
    check("/app/models/2/m.gguf" in str(s["edge-device-02"]["volumes"]), f"{s['edge-device-02']['volumes']}")
    read("compose", path)
    compose(folder, "--devices", "4", "--config", "c.yaml", "--target", "systemd")
    two = by_shell(os.path.join(folder, "systemd", "wattle-device@edge-device-02.env"))
    check(two["LLM_MODEL_NAME"] == os.path.realpath(os.path.join(folder, "b", "m.gguf")) and two["TELEMETRY_INTERVAL"] == "2.5", f"{two}")
    compose(folder, "--devices", "4", "--config", "c.yaml", "--target", "kubernetes")
    pods = read("yaml", os.path.join(folder, "kubernetes", "40-devices.yaml"))[1:]
    env = {v["name"]: v["value"] for v in pods[1]["spec"]["template"]["spec"]["containers"][0]["env"]}
    check(env["LLM_MODEL_NAME"] == "/app/models/2/m.gguf" and env["ENABLE_LLM"] == "yes", f"{env}")
    read("kubernetes", os.path.join(folder, "kubernetes", "40-devices.yaml"))


def limits(folder):
    if not python:
        return "skipped: the YAML readers can't be fetched from PyPI"
    args = ["--memory", "512m", "--cpus", "1.5", "--restart", "on-failure", "--dashboard", "--publish", "0.0.0.0"]
    compose(folder, *args, "--memory-swap", "1g")
    path = os.path.join(folder, "docker-compose.yml")
    s = services(path)["services"]
    d = s["edge-device-01"]
    check((d["mem_limit"], d["memswap_limit"], d["cpus"], d["restart"]) == ("512m", "1g", 1.5, "on-failure"), f"{d}")
    check(d["healthcheck"]["test"] == ["CMD", "wattle", "health"] and d["stop_grace_period"] == "10s", f"{d}")
    check(d["logging"]["options"] == {"max-size": "10m", "max-file": "3"} and d["read_only"] is True and d["cap_drop"] == ["ALL"], f"{d}")
    check(s["dashboard"]["command"] == ["wattle", "dashboard"] and s["dashboard"]["ports"] == ["8080:8080"], f"{s['dashboard']}")
    compose(folder, *args, "--target", "swarm")
    path = os.path.join(folder, "docker-stack.yml")
    s = services(path)["services"]
    check(s["mqtt-broker"]["ports"] == ["1883:1883"] and s["dashboard"]["ports"] == ["8080:8080"], f"{s}")
    d = s["edge-device-01"]["deploy"]
    check(d["resources"]["limits"] == {"cpus": "1.5", "memory": "512m"} and d["restart_policy"]["condition"] == "on-failure", f"{d}")
    read("compose", path)
    by_docker_compose(path)
    # A swarm would publish on every node: only when told to.
    _, err = compose(folder, "--dashboard", "--target", "swarm", "--force")
    check(not [name for name, d in services(path)["services"].items() if "ports" in d] and "nothing is published" in err, err)


def broker_with_password(folder):
    """What the broker's service runs, run here: it asks for the password, and its health check knows it."""
    if not python:
        return "skipped: the YAML readers can't be fetched from PyPI"
    for program in ("mosquitto", "mosquitto_passwd", "mosquitto_sub", "mosquitto_pub"):
        lab.find(program)
    port, password = lab.free_port(), "a \"b\" $c 'd' \\e `f`"
    with open(os.path.join(folder, "pw"), "w", encoding="utf-8") as f:
        f.write(password + "\n")
    for more in ({"MQTT_PASSWORD": password}, {"MQTT_PASSWORD_FILE": "pw"}):
        compose(folder, "--force", MQTT_USERNAME="u", MQTT_PORT=str(port), **more)
        d = services(os.path.join(folder, "docker-compose.yml"))["services"]["mqtt-broker"]
        env = {"PATH": os.environ["PATH"] + ":/usr/sbin", **variables(d)}
        if "MQTT_PASSWORD_FILE" in env:
            env["MQTT_PASSWORD_FILE"] = os.path.join(folder, "pw")
        words = [undouble(w) for w in d["command"]]
        # in the container nobody is root, and these folders are its own
        words[2] = words[2].replace("/tmp/", folder + "/").replace("/var/lib/mosquitto/", folder + "/").replace("'listener", "'user root' 'listener")
        broker = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        lab.started.append(broker)
        health = [undouble(w) for w in d["healthcheck"]["test"]][1:]
        ask = lambda e: subprocess.run(health, env=e, capture_output=True, timeout=lab.PATIENCE).returncode
        lab.wait_for(lambda: broker.poll() is not None or ask(env) == 0, "the broker is healthy")
        check(broker.poll() is None, f"{broker.poll()}: {broker.stderr.read().decode() if broker.poll() is not None else ''}")
        check(ask({**env, "MQTT_PASSWORD_FILE": "", "MQTT_PASSWORD": "wrong"}) != 0, "any password does")
        anybody = subprocess.run(["mosquitto_pub", "-p", str(port), "-t", "x", "-m", "y"], env=env, capture_output=True, timeout=lab.PATIENCE)
        check(anybody.returncode != 0, "anybody may publish")
        broker.terminate()
        broker.wait()


def one_engine(folder):
    """The engine has the model and the cache; the devices know where it is, and its key."""
    if not python:
        return "skipped: the YAML readers can't be fetched from PyPI"
    with open(os.path.join(folder, "m.gguf"), "w", encoding="utf-8") as f:
        f.write("GGUF")
    args = ["--devices", "2", "--enable-llm", "--llm-devices", "1", "--llm-model", "m.gguf", "--llm-temperature", "0.2", "--serve-port", "8123"]
    compose(folder, *args, "--engine")
    path = os.path.join(folder, "docker-compose.yml")
    s = services(path)["services"]
    one, two, engine = variables(s["edge-device-01"]), variables(s["edge-device-02"]), variables(s["engine"])
    check(one["LLM_ENDPOINT"] == "http://engine:8123" and "LLM_ENDPOINT" not in two and "LLM_API_KEY_FILE" not in two, f"{one} {two}")
    check(one["LLM_API_KEY_FILE"] == engine["LLM_API_KEY_FILE"] == "/app/files/engine-key" and "LLM_API_KEY" not in engine, f"{engine}")
    for name in ("engine", "edge-device-01", "edge-device-02"):
        check(("engine-key" in str(s[name]["volumes"])) == (name != "edge-device-02"), f"{name}: {s[name]['volumes']}")
    check(engine["SERVE_ADDRESS"] == "0.0.0.0" and engine["SERVE_PORT"] == "8123" and engine["LLM_TEMPERATURE"] == "0.2", f"{engine}")
    check("LLM_ENDPOINT" not in engine and "DEVICE_ID" not in engine and engine["LLM_MODEL_NAME"] == "/app/models/m.gguf", f"{engine}")
    check("m.gguf" in str(s["engine"]["volumes"]) and "huggingface" in str(s["engine"]["volumes"]), f"{s['engine']['volumes']}")
    check("m.gguf" not in str(s["edge-device-01"]["volumes"]) and "huggingface" not in str(s["edge-device-01"]["volumes"]), "the devices need no model")
    check("engine" in s["edge-device-01"]["depends_on"] and "engine" not in s["edge-device-02"]["depends_on"] and "ports" not in s["engine"], f"{s}")
    read("compose", path)
    by_docker_compose(path)
    # a key that was given is the one; a server of one's own needs no model here
    compose(folder, *args, "--engine", "--force", LLM_API_KEY="k$y:#12345678")
    s = services(path)["services"]
    check(variables(s["engine"])["LLM_API_KEY"] == variables(s["edge-device-01"])["LLM_API_KEY"] == "k$y:#12345678", f"{s}")
    compose(folder, *args, "--force", LLM_ENDPOINT="http://gpu:8000/v1")
    s = services(path)["services"]
    check("engine" not in s and variables(s["edge-device-01"])["LLM_MODEL_NAME"] == "m.gguf" and "m.gguf" not in str(s["edge-device-01"]["volumes"]), f"{s}")
    for more, text in ((["--target", "swarm"], "--target compose"), (["--enable-llm=false"], "--llm-devices"), (["--llm-endpoint", "http://x"], "LLM_ENDPOINT")):
        _, err = compose(folder, *args, "--engine", *more, code=2)
        check(text in err and err.count("\n") == 1, err)


if __name__ == "__main__":
    tests = [seed_example, cases, nasty_values, files_of_the_host, broker_elsewhere, config_of_single_devices, broker_with_password, one_engine, limits]
    with lab.Folder() as shared:
        python = find_python(shared)
        lab.main(*[t for t in tests if len(sys.argv) < 2 or t.__name__ in sys.argv[1:]])
