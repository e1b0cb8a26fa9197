# SPDX-License-Identifier: MIT
"""wattle serve: chat completions as OpenAI's, asked over HTTP and by devices (LLM_ENDPOINT); the real model."""
import glob
import http.client
import json
import os
import signal
import sys
import threading

import lab
from lab import check

MESSAGES = [{"role": "user", "content": "What does a hygrometer measure?"}]


class Server:
    def __init__(self, *args, **env):
        self.p = lab.Program("serve", "--llm-model", lab.MODEL, "--serve-port", "0", *args, **env)
        line = self.p.out.wait(lambda s: "Listening at " in s, "it listens")
        self.url = line.split("Listening at ")[1]
        self.port = int(self.url.rstrip("/").rsplit(":", 1)[1])

    def ask(self, method, path, body=None, headers=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=lab.PATIENCE)
        c.request(method, path, json.dumps(body) if isinstance(body, dict) else body, headers or {})
        r = c.getresponse()
        text = r.read()
        c.close()
        # What the HTTP server itself refuses is plain text.
        return r.status, json.loads(text) if r.getheader("Content-Type", "").startswith("application/json") else text

    def chat(self, **body):
        return self.ask("POST", "/v1/chat/completions", {"model": "m", "messages": MESSAGES, **body})

    def end(self, number=signal.SIGTERM, seconds=10):
        self.p.signal(number)
        return self.p.end(seconds)


def answers_as_the_command_does(folder):
    s = Server()
    check(s.ask("GET", "/health") == (200, {"status": "ok"}), "health")
    status, models = s.ask("GET", "/v1/models")
    check(status == 200 and models["data"][0]["id"] == lab.MODEL, f"{models}")
    status, first = s.chat(temperature=0, max_tokens=24)
    check(status == 200, f"{first}")
    text = first["choices"][0]["message"]["content"]
    code, out, err = lab.run("generate", "--model", lab.MODEL, "--prompt", MESSAGES[0]["content"], "--llm-temperature", "0", "--llm-max-new-tokens", "24")
    check(code == 0 and out.strip() == text.strip(), f"{out!r} and {text!r} {err}")
    usage, cost = first["usage"], first["wattle"]
    check(usage["completion_tokens"] == 24 and usage["total_tokens"] == usage["prompt_tokens"] + 24, f"{usage}")
    check(first["choices"][0]["finish_reason"] == "length" and first["object"] == "chat.completion", f"{first}")
    check(cost["inference_time_ms"] > 0 and cost["energy_consumed_mj"] > 0 and cost["decode_ms"] < cost["inference_time_ms"], f"{cost}")
    same = [s.chat(seed=5, max_tokens=16)[1]["choices"][0]["message"]["content"] for _ in range(2)]
    check(same[0] == same[1], "one seed, two answers")
    parts = s.ask("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": "text", "text": MESSAGES[0]["content"]}]}],
                                                   "temperature": 0, "max_tokens": 24})
    check(parts[1]["choices"][0]["message"]["content"] == text, f"{parts}")
    check(s.end() == 0, "exit code after SIGTERM")


def refuses_by_name(folder):
    s = Server()
    for body, word in (({"stream": True}, "stream"), ({"n": 2}, "n:"), ({"temperature": -1}, "temperature"), ({"messages": []}, "messages"),
                       ({"messages": [{"role": "king", "content": "x"}]}, "role"), ({"stop": [""]}, "stop"), ({"tools": [{"type": "function"}]}, "tools"),
                       ({"max_tokens": 0}, "max_tokens"), ({"seed": "x"}, "seed"), ({"response_format": {"type": "json_object"}}, "response_format"),
                       ({"messages": [{"role": "user", "content": "word " * 5000}]}, "tokens")):
        status, answer = s.chat(**body)
        check(status == 400 and word in answer["error"]["message"], f"{body}: {status} {answer}")
    for raw in ("", "{", "[]", '{"messages":1}', "\x00", '{"messages":[{"role":"user","content":"x"}],"messages":[]}'):
        status, answer = s.ask("POST", "/v1/chat/completions", raw)
        check(status == 400 and answer["error"]["message"], f"{raw!r}: {status} {answer}")
    check(s.ask("GET", "/v1/chat/completions")[0] == 405 and s.ask("GET", "/nothing")[0] == 404 and s.ask("POST", "/nothing", "{}")[0] == 404, "paths")
    check(s.chat(max_tokens=2)[0] == 200, "it goes on")
    check(s.end(signal.SIGINT) == 130, "exit code after SIGINT")


def has_a_key(folder):
    code, _, err = lab.run("serve", "--llm-model", lab.MODEL, "--serve-port", "0", "--serve-address", "0.0.0.0")
    check(code == 2 and "LLM_API_KEY" in err, f"{code} {err}")
    s = Server(LLM_API_KEY="a-long-secret")
    check(s.ask("GET", "/health")[0] == 200 and s.ask("GET", "/v1/models")[0] == 401, "without a key")
    check(s.ask("GET", "/v1/models", headers={"Authorization": "Bearer a-long-secreT"})[0] == 401, "another key")
    check(s.ask("GET", "/v1/models", headers={"Authorization": "Bearer a-long-secret"})[0] == 200, "the key")
    s.end()


def a_full_queue(folder):
    s = Server("--queue", "1")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(s.chat(max_tokens=120, temperature=1)[0])) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check(sorted(set(answers)) == [200, 429] and answers.count(200) >= 2, f"{answers}")
    # Told to end in the middle of a long answer.
    t = threading.Thread(target=lambda: answers.append(s.chat(max_tokens=400, temperature=1)[0]))
    t.start()
    lab.wait_for(lambda: s.ask("GET", "/health")[0] == 200, "it answers meanwhile")
    check(s.end(seconds=5) == 0, "it ends at once")


def a_limit_that_is_too_small(folder):
    """A container of 1 MiB: said before the kernel ends it without a word."""
    for path, text in (("proc/self/cgroup", "0::/\n"), ("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"), ("sys/fs/cgroup/memory.max", "1048576\n")):
        os.makedirs(os.path.join(folder, os.path.dirname(path)), exist_ok=True)
        with open(os.path.join(folder, path), "w", encoding="utf-8") as f:
            f.write(text)
    code, _, err = lab.run("serve", "--llm-model", lab.MODEL, "--serve-port", "0", WATTLE_SYSROOT=folder)
    check(code == 1 and "wattle serve: memory limit of 1 MiB: " in err, f"{code} {err}")


def devices_ask_it(folder):
    broker = lab.Broker(folder)
    sub = lab.Subscriber(broker.port, ["iot/#"])
    s = Server(LLM_API_KEY="a-long-secret")
    metrics = os.path.join(folder, "metrics")
    env = {"ENABLE_LLM": "true", "LLM_ENDPOINT": s.url, "LLM_API_KEY": "a-long-secret", "LLM_INFERENCE_INTERVAL": "1", "LLM_MAX_NEW_TOKENS": "12",
           "TELEMETRY_INTERVAL": "0.2", "METRICS_DIR": metrics, "LLM_MODEL_NAME": "smollm2", **broker.settings()}
    p = lab.Program("device", **env)
    sub.wait("iot/metrics/00:0f:00:70:91:0a", 3)
    sub.wait("iot/analysis/", 3)
    p.signal(signal.SIGTERM)
    check(p.end(10) == 0, f"{p.out.all[-3:]}")
    check(any("Compute device: that of the server at " in line for line in p.out.all), "the log says who computes")
    m = [m for topic, m in sub.json("iot/metrics/") if not topic.endswith("summary")][0]
    check(m["energy_consumed_mj"] > 0 and m["memory_total_mb"] > 50 and m["quantization"] == "Q4_1" and m["compute_device"] == "cpu", f"{m}")
    check(m["model_name"] == "smollm2" and m["completion_tokens"] == 12 and m["prompt_tokens"] > 50 and m["error"] is None, f"{m}")
    check(json.load(open(glob.glob(metrics + "/*.json")[0], encoding="utf-8"))["summary"]["total_inferences"] >= 3, "the file")
    # Its server is gone, or does not know it: inferences fail and say so, telemetry goes on.
    for change, word in (({"LLM_API_KEY": "another-secret"}, "401"), ({"LLM_ENDPOINT": f"http://127.0.0.1:{lab.free_port()}"}, "connection refused")):
        p = lab.Program("device", **{**env, **change, "METRICS_DIR": os.path.join(folder, word)})
        p.out.wait(lambda line, w=word: w in line.lower() and "LLM_ENDPOINT" in line, word)
        p.out.wait(lambda line: "Sent telemetry #5" in line, "telemetry goes on")
        p.signal(signal.SIGTERM)
        check(p.end(10) == 1, "every inference failed")
    key = os.path.join(folder, "key")
    with open(key, "w", encoding="utf-8") as f:
        f.write("gr\u00fcn\n")
    for change, line in (({"LLM_API_KEY": "gr\u00fcn"}, "LLM_API_KEY: character 3 is a blank"), ({"LLM_API_KEY_FILE": key}, "LLM_API_KEY_FILE: character 3 is a blank"),
                         ({"LLM_ENDPOINT": "http://"}, "LLM_ENDPOINT: 'http://' has no host, expected")):
        code, _, err = lab.run("device", **{**env, "LLM_API_KEY": "", **change})
        check(code == 2 and f"wattle device: {line}" in err, f"{err}")
    s.end()
    broker.kill()


if __name__ == "__main__":
    lab.find("mosquitto"), lab.find("mosquitto_sub")
    if not lab.has_model():
        print("skipped: the real model is not there")
        sys.exit(lab.SKIP)
    tests = [answers_as_the_command_does, refuses_by_name, has_a_key, a_full_queue, a_limit_that_is_too_small, devices_ask_it]
    lab.main(*[t for t in tests if len(sys.argv) < 2 or t.__name__ in sys.argv[1:]])
