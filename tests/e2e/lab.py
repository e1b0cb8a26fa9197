# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: the program, a real mosquitto, mosquitto_sub, waiting for events. Standard library only."""
import json
import os
import queue
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

BUILD = os.path.abspath(os.environ.get("WATTLE_BUILD", "."))
SOURCE = os.environ.get("WATTLE_SOURCE", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
WATTLE = os.path.join(BUILD, "wattle")
DATASET = os.path.join(SOURCE, "data", "telemetry-24h.csv")
MODEL = os.path.abspath(os.environ["WATTLE_MODEL"]) if os.environ.get("WATTLE_MODEL") else os.path.join(SOURCE, "models", "SmolLM2-135M-Instruct.Q4_1.gguf")
PATIENCE = float(os.environ.get("WATTLE_PATIENCE", "60"))  # seconds for what takes one on an idle machine
SKIP = 77
started = []  # processes of the running test


def find(program):
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    found = shutil.which(program, path=path)
    if not found:
        print(f"skipped: {program} is not installed")
        sys.exit(SKIP)
    return found


def has_model():
    return os.path.isfile(MODEL)


def environment(**values):
    """Ours, without any setting of the caller's machine."""
    keep = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")}
    keep["DATASET_PATH"] = DATASET
    keep["LLM_PACKED_DIR"] = os.environ.get("LLM_PACKED_DIR", "none")
    keep.update(values)
    return keep


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def wait_for(condition, what, seconds=None):
    """Polls a condition that no pipe or process tells us of."""
    end = time.monotonic() + (seconds or PATIENCE)
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not in {seconds or PATIENCE:.0f} s: {what}")


class Lines:
    """The lines of a stream as they come, and all of them so far."""

    def __init__(self, stream):
        self.all, self.new = [], queue.Queue()
        self.thread = threading.Thread(target=self.read, args=(stream,), daemon=True)
        self.thread.start()

    def read(self, stream):
        for raw in stream:
            line = raw.decode("utf-8", "surrogateescape").rstrip("\n")
            self.all.append(line)
            self.new.put(line)
        self.new.put(None)

    def wait(self, matches, what, seconds=None):
        end = time.monotonic() + (seconds or PATIENCE)
        while True:
            try:
                line = self.new.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"not in {seconds or PATIENCE:.0f} s: {what}; last lines: {self.all[-5:]}") from None
            if line is None:
                raise AssertionError(f"ended before: {what}; last lines: {self.all[-5:]}")
            if matches(line):
                return line

    def join(self):
        self.thread.join(PATIENCE)


class Program:
    """wattle, running."""

    def __init__(self, *args, **env):
        self.process = subprocess.Popen([WATTLE, *args], env=environment(**env), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        started.append(self.process)
        self.out, self.err = Lines(self.process.stdout), Lines(self.process.stderr)

    def signal(self, number):
        self.process.send_signal(number)

    def end(self, seconds=None):
        """Its exit code."""
        try:
            code = self.process.wait(seconds or PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"did not end in {seconds or PATIENCE:.0f} s; last lines: {self.err.all[-5:]}") from None
        self.out.join()
        self.err.join()
        return code

    def text(self):
        return "\n".join(self.out.all)


def run(*args, seconds=None, files=None, **env):
    """Runs wattle to its end: exit code, stdout, stderr. files: its limits of open files, soft and hard."""
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, files)
    p = subprocess.run([WATTLE, *args], preexec_fn=limit if files else None, env=environment(**env), stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds or PATIENCE)
    return p.returncode, p.stdout.decode("utf-8", "surrogateescape"), p.stderr.decode("utf-8", "surrogateescape")


class Broker:
    """A mosquitto of our own. persistent: the session of a subscriber outlives kill()."""

    def __init__(self, folder, persistent=False, port=None, config="allow_anonymous true\n"):
        self.program, self.port = find("mosquitto"), port or free_port()
        self.config = os.path.join(folder, f"mosquitto-{self.port}.conf")
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(f"listener {self.port} 127.0.0.1\n{config}max_queued_messages 0\nmax_inflight_messages 0\n")
            if os.geteuid() == 0:
                f.write("user root\n")
            if persistent:
                f.write(f"persistence true\npersistence_location {folder}/\nautosave_on_changes true\nautosave_interval 1\n")
        self.start()

    def start(self):
        self.process = subprocess.Popen([self.program, "-c", self.config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        started.append(self.process)
        wait_for(self.answers, "mosquitto listens")

    def answers(self):
        check(self.process.poll() is None, "mosquitto ended at once")
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.wait()

    def settings(self):
        return {"MQTT_BROKER": "127.0.0.1", "MQTT_PORT": str(self.port)}

    def publish(self, topic, payload, retain=False):
        subprocess.run([find("mosquitto_pub"), "-p", str(self.port), "-h", "127.0.0.1", "-q", "1", "-t", topic, "-s" if payload else "-n"] +
                       ["-r"] * retain, input=payload, check=True, timeout=PATIENCE)


class Subscriber:
    """mosquitto_sub: (topic, payload, retained) in the order in which they came."""

    def __init__(self, port, topics=("#",), session=None):
        args = [find("mosquitto_sub"), "-h", "127.0.0.1", "-p", str(port), "-q", "1", "-F", "%r %t %x"]
        for t in topics:
            args += ["-t", t]
        if session:
            args += ["-c", "-i", session]
        args += ["-t", "lab/ready"]
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        started.append(self.process)
        self.lines = Lines(self.process.stdout)
        self.port = port
        self.ready()

    def ready(self):
        """Returns when what is published now will come."""
        def tried():
            subprocess.run([find("mosquitto_pub"), "-h", "127.0.0.1", "-p", str(self.port), "-t", "lab/ready", "-m", "x"], timeout=PATIENCE)
            return any(" lab/ready " in line for line in list(self.lines.all))
        wait_for(tried, "mosquitto_sub is subscribed")

    @staticmethod
    def split(line):
        retained, topic, payload = line.split(" ", 2) if line.count(" ") >= 2 else (*line.split(" "), "")
        return topic, bytes.fromhex(payload), retained == "1"

    def messages(self, prefix=""):
        found = [self.split(line) for line in list(self.lines.all)]
        return [m for m in found if m[0].startswith(prefix) and m[0] != "lab/ready"]

    def json(self, prefix):
        found = []
        for topic, payload, _ in self.messages(prefix):
            try:
                found.append((topic, json.loads(payload)))
            except ValueError as e:
                raise AssertionError(f"{topic}: {e}: {payload[:200]}") from None
        return found

    def wait(self, prefix, n, seconds=None):
        wait_for(lambda: len(self.messages(prefix)) >= n, f"{n} messages on {prefix}", seconds)
        return self.messages(prefix)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.lines.join()


class Folder(tempfile.TemporaryDirectory):
    def __init__(self):
        super().__init__(prefix="wattle-e2e-")


def processes_with(text):
    """Process ids whose environment or command line has the text: what a test must not leave behind."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as f:
                    if text.encode() in f.read() and int(pid) != os.getpid():
                        found.append(int(pid))
                        break
            except OSError:
                pass
    return found


def main(*tests):
    """Runs them in turn, each with a fresh folder; exit code for meson."""
    failed = 0
    for test in tests:
        began = time.monotonic()
        with Folder() as folder:
            os.chdir(folder)  # what is written beside a program is written here
            try:
                word = test(folder) or "ok"
            except (AssertionError, OSError, subprocess.SubprocessError) as e:
                word, failed = f"FAILED: {e}", failed + 1
            for process in started:
                if process.poll() is None:
                    process.kill()
                    process.wait()
            started.clear()
            os.chdir("/")
        print(f"{test.__name__}: {word} ({time.monotonic() - began:.1f} s)", flush=True)
    sys.exit(1 if failed else 0)
