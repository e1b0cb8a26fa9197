# SPDX-License-Identifier: MIT
"""Real brokers: TLS, passwords, versions, rights, limits, outages and the queue on disk. Each thing that can be wrong is one line."""
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading

import lab
from lab import check

QUICK = {"TELEMETRY_RATE": "50"}
ID = "00:0f:00:70:91:0a"


def openssl(folder, *args):
    subprocess.run([lab.find("openssl"), *args], cwd=folder, check=True, capture_output=True, timeout=lab.PATIENCE)


def make_certificate(folder, name, ca, days="2", san="IP:127.0.0.1"):
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
    with open(os.path.join(folder, "san"), "w", encoding="ascii") as f:
        f.write(f"subjectAltName={san}\n")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-set_serial", "7", "-days", days,
            "-extfile", "san", "-out", f"{name}.pem")


def make_certificates(folder):
    for ca in ("ca", "other"):
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN=wattle {ca}",
                "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
    make_certificate(folder, "server", "ca", san="IP:127.0.0.1,DNS:broker.example")
    make_certificate(folder, "expired", "ca", days="-1")
    make_certificate(folder, "client", "ca")
    make_certificate(folder, "stranger", "other")
    openssl(folder, "ec", "-in", "client.key", "-aes256", "-passout", "pass:secret", "-out", "locked.key")
    return lambda name: os.path.join(folder, name)


def last_line(command, broker_port, want, code=1, **env):
    """What a command that cannot go on says: one line, the exit code."""
    got, _, err = lab.run(command, "--duration", "20s", MQTT_BROKER=env.pop("MQTT_BROKER", "127.0.0.1"), MQTT_PORT=str(broker_port), **env)
    lines = [s for s in err.splitlines() if not s.endswith(" bad")]
    check(got == code and lines and want in lines[-1], f"{env}: exit {got}, expected {code} and '{want}': {lines[-3:]}")
    check(len(lines) == 1, f"more than one line: {lines}")


def certificates(folder):
    at = make_certificates(folder)
    tls = f"allow_anonymous true\nkeyfile {at('server.key')}\ncertfile {at('server.pem')}\n"
    broker = lab.Broker(folder, config=tls)
    ca = {"MQTT_CA_FILE": at("ca.pem")}
    code, out, err = lab.run("consume", "--duration", "300ms", **broker.settings(), **ca)
    check(code == 0 and "connected to" in err, f"{code} {err}")
    last_line("consume", broker.port, "TLS: the broker's certificate is not accepted: ", MQTT_CA_FILE=at("other.pem"))
    last_line("consume", broker.port, "TLS: the broker's certificate is not accepted: ", MQTT_TLS="true")  # nobody's authority
    last_line("consume", broker.port, "TLS: the broker's certificate is not accepted: hostname mismatch", MQTT_BROKER="localhost", **ca)
    for name, word in (("absent.pem", "No such file"), ("server.key", "expected certificates in PEM"), ("", "no regular file")):
        last_line("consume", broker.port, word, code=2, MQTT_CA_FILE=at(name))
    open(at("empty.pem"), "w", encoding="ascii").close()
    own = {"MQTT_CERT_FILE": at("client.pem"), "MQTT_KEY_FILE": at("client.key")}
    for change, word in (({"MQTT_KEY_FILE": at("stranger.key")}, "it is not the key of the certificate"),
                         ({"MQTT_KEY_FILE": at("locked.key")}, "it is encrypted"),
                         ({"MQTT_KEY_FILE": at("ca.pem")}, "no private key in PEM"),
                         ({"MQTT_CERT_FILE": at("empty.pem")}, "expected a certificate in PEM"),
                         ({"MQTT_CERT_FILE": at("absent.pem")}, "No such file")):
        last_line("consume", broker.port, word, code=2, **{**ca, **own, **change})
    code, _, err = lab.run("consume", "--duration", "1s", **broker.settings())
    check(code == 1 and "does this port want TLS?" in err, f"without TLS: {code} {err}")
    broker.kill()
    expired = lab.Broker(folder, config=f"allow_anonymous true\nkeyfile {at('expired.key')}\ncertfile {at('expired.pem')}\n")
    last_line("consume", expired.port, "TLS: the broker's certificate is not accepted: certificate has expired", **ca)
    expired.kill()
    plain = lab.Broker(folder)
    code, _, err = lab.run("consume", "--duration", "1s", **plain.settings(), **ca)
    check(code == 1 and "does this port speak TLS?" in err.splitlines()[-1], f"{code} {err}")
    plain.kill()


def client_certificates(folder):
    at = make_certificates(folder)
    broker = lab.Broker(folder, config=f"cafile {at('ca.pem')}\nkeyfile {at('server.key')}\ncertfile {at('server.pem')}\n"
                                       "require_certificate true\nuse_identity_as_username true\n")
    ca = {"MQTT_CA_FILE": at("ca.pem")}
    own = {"MQTT_CERT_FILE": at("client.pem"), "MQTT_KEY_FILE": at("client.key")}
    p = lab.Program("device", METRICS_DIR=at("m"), **broker.settings(), **ca, **own, **QUICK)
    p.out.wait(lambda s: "Sent telemetry #40" in s, "messages")
    p.signal(signal.SIGTERM)
    check(p.end(10) == 0 and not any("not acknowledged" in s for s in p.out.all), f"{p.out.all[-3:]}")
    last_line("consume", broker.port, "TLS: the broker wants a client certificate", **ca)
    stranger = {"MQTT_CERT_FILE": at("stranger.pem"), "MQTT_KEY_FILE": at("stranger.key")}
    last_line("consume", broker.port, "TLS: the broker does not know the authority of our certificate", **ca, **stranger)
    broker.kill()


def old_tls(folder):
    """A server of TLS 1.1 alone, by Python's ssl, since mosquitto of today cannot be one."""
    at = make_certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.load_cert_chain(at("server.pem"), at("server.key"))

    def serve(listener):
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        last_line("consume", listener.getsockname()[1], "TLS: the broker speaks no TLS 1.2 or newer", MQTT_CA_FILE=at("ca.pem"))


def passwords(folder):
    at = lambda name: os.path.join(folder, name)
    subprocess.run([lab.find("mosquitto_passwd"), "-b", "-c", at("passwd"), "user", "pass: word"], check=True, capture_output=True)
    with open(at("secret"), "w", encoding="ascii") as f:
        f.write("pass: word\n")
    broker = lab.Broker(folder, config=f"allow_anonymous false\npassword_file {at('passwd')}\n")
    for env in ({"MQTT_PASSWORD": "pass: word"}, {"MQTT_PASSWORD_FILE": at("secret")}):
        for version in ("5", "3.1.1"):
            code, _, err = lab.run("consume", "--duration", "100ms", MQTT_VERSION=version, MQTT_USERNAME="user", **env, **broker.settings())
            check(code == 0 and "connected to" in err, f"{env} {version}: {code} {err}")
    for env in ({"MQTT_USERNAME": "user", "MQTT_PASSWORD": "wrong"}, {}, {"MQTT_USERNAME": "user", "MQTT_PASSWORD": "wrong", "MQTT_VERSION": "3.1.1"}):
        last_line("consume", broker.port, "the broker refuses the connection: not authorized", **env)
    code, _, err = lab.run("run", "--devices", "3", MQTT_USERNAME="user", MQTT_PASSWORD="wrong", METRICS_DIR=at("m"), **broker.settings(), **QUICK)
    check(code == 1 and err.splitlines()[-1] == f"wattle run: broker 127.0.0.1:{broker.port}: the broker refuses the connection: not authorized", err)
    # A device waits for its broker to be mended, and says so once.
    p = lab.Program("device", MQTT_USERNAME="user", MQTT_PASSWORD="wrong", METRICS_DIR=at("n"), LOG_LEVEL="debug", **broker.settings(), **QUICK)
    refused = lambda s: "not authorized; trying again" in s
    lab.wait_for(lambda: sum(map(refused, list(p.out.all))) >= 3, "three attempts")
    check([s.split()[1] for s in p.out.all if refused(s)][:3] == ["warning:", "debug:", "debug:"], f"{p.out.all}")
    p.signal(signal.SIGTERM)
    check(p.end(10) == 1 and "wrong" not in p.text(), f"{p.err.all}")
    broker.kill()


def versions(folder):
    log = os.path.join(folder, "broker.log")
    broker = lab.Broker(folder, config=f"allow_anonymous true\nlog_type all\nlog_dest file {log}\n")
    for version, name in (("5", "p5"), ("3.1.1", "p2")):
        p = lab.Program("device", DEVICE_NAME="v" + name, METRICS_DIR=folder, MQTT_VERSION=version, MQTT_KEEPALIVE="77", **broker.settings(), **QUICK)
        p.out.wait(lambda s: "Sent telemetry #60" in s, "messages")
        p.signal(signal.SIGTERM)
        check(p.end(10) == 0 and not any("not acknowledged" in s for s in p.out.all), f"{p.out.all[-3:]}")
    with open(log, encoding="utf-8") as f:
        text = f.read()
    for name in ("p5", "p2"):
        check(re.search(rf"as v{name}_{ID} \({name}, c1, k77\)", text), f"{name}: {[s for s in text.splitlines() if 'connected' in s]}")
    broker.kill()


def topics(folder):
    broker = lab.Broker(folder)
    sub = lab.Subscriber(broker.port, ["#"])
    p = lab.Program("device", METRICS_DIR=folder, MQTT_TOPIC_PREFIX="site/küche-3", **broker.settings(), **QUICK)
    sub.wait(f"site/küche-3/telemetry/{ID}", 3)
    p.signal(signal.SIGTERM)
    check(p.end(10) == 0, "exit code")
    sub.wait(f"site/küche-3/status/{ID}", 2)
    check(not sub.messages("iot/"), "nothing elsewhere")
    code, out, err = lab.run("consume", "--count", "1", MQTT_TOPIC_PREFIX="site/küche-3", **broker.settings())
    check(code == 0 and out == f"site/küche-3/status/{ID} offline\n", f"{code} {out} {err}")
    for prefix in ("a/+", "#", "/a", "a/", "$SYS", "a\tb"):
        code, _, err = lab.run("consume", MQTT_TOPIC_PREFIX=prefix, **broker.settings())
        check(code == 2 and err.count("\n") == 1 and "MQTT_TOPIC_PREFIX" in err, f"{prefix!r}: {code} {err}")
    sub.close(), broker.kill()


def rights(folder):
    with open(os.path.join(folder, "acl"), "w", encoding="ascii") as f:
        f.write("topic readwrite iot/telemetry/#\ntopic readwrite lab/#\n")
    broker = lab.Broker(folder, config=f"allow_anonymous true\nacl_file {folder}/acl\n")
    sub = lab.Subscriber(broker.port, ["iot/telemetry/#"])
    p = lab.Program("device", METRICS_DIR=folder, **broker.settings(), **QUICK)
    sub.wait("iot/telemetry/", 60)
    p.signal(signal.SIGTERM)
    check(p.end(10) == 0, f"{p.err.all}")
    said = [s for s in p.out.all if "cannot be delivered" in s]
    check(len(said) == 1 and f"'iot/status/{ID}' cannot be delivered: the broker refuses it: not authorized" in said[0], f"{said}")
    # mosquitto 2.0.11 ends the connection with each refusal: the topic is let be from then on.
    check(sum("connection was lost" in s for s in p.out.all) <= 1, f"{p.out.all}")
    check(any(re.search(r"[23] messages were refused", s) for s in p.out.all), f"online and offline are counted: {p.out.all[-3:]}")
    seqs = list(dict.fromkeys(m["seq"] for _, m in sub.json("iot/telemetry/")))
    check(seqs == list(range(1, len(seqs) + 1)), f"what is allowed goes on: {seqs}")
    sub.close(), broker.kill()


def refused_subscription(folder):
    """mosquitto grants every subscription and keeps the messages back: so a broker of ten lines, of MQTT 5."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        p = lab.Program("consume", "--topic", "secret/#", MQTT_BROKER="127.0.0.1", MQTT_PORT=str(port))
        listener.settimeout(lab.PATIENCE)
        with listener.accept()[0] as s:
            s.settimeout(lab.PATIENCE)
            packet = s.recv(4096)
            check(packet[0] >> 4 == 1 and packet[8] == 5, "CONNECT of MQTT 5")
            s.sendall(bytes([0x20, 3, 0, 0, 0]))
            packet = s.recv(4096)
            s.sendall(bytes([0x90, 4, *packet[2:4], 0, 0x87]))
            check(p.end(10) == 1 and not p.out.all, f"{p.err.all}")
    check(p.err.all[-1] == f"wattle consume: broker 127.0.0.1:{port} refuses the subscription to 'secret/#': not authorized", f"{p.err.all}")


def packets_too_large(folder):
    broker = lab.Broker(folder, config="allow_anonymous true\nmax_packet_size 120\n")
    sub = lab.Subscriber(broker.port, ["iot/#"])
    p = lab.Program("device", METRICS_DIR=folder, **broker.settings(), **QUICK)
    line = p.out.wait(lambda s: "cannot be delivered" in s, "the refusal is said")
    check(re.search(r"'iot/telemetry/.*' cannot be delivered: its packet has \d+ bytes, the broker takes at most 120 ", line), line)
    p.out.wait(lambda s: "Sent telemetry #20" in s, "the device goes on")
    p.signal(signal.SIGTERM)
    p.end(10)
    check(sum("cannot be delivered" in s for s in p.out.all) == 1, "it is said once")
    check(any(re.search(r"(\d+) messages? (was|were) refused", s) for s in p.out.all), f"{p.out.all[-3:]}")
    lab.wait_for(lambda: [m[1] for m in sub.messages("iot/status/")] == [b"online", b"offline"], "what is small enough comes")
    check(not sub.messages("iot/telemetry/"), "nothing too large was sent")
    sub.close(), broker.kill()


def ended_by_the_broker(folder):
    """A broker of ten lines that says why it ends connections; mosquitto 2.0.11 never does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        listener.settimeout(lab.PATIENCE)
        p = lab.Program("consume", MQTT_BROKER="127.0.0.1", MQTT_PORT=str(port))
        for code, line in ((0x8b, "it is shutting down"), (0x8e, "another client with the same id took the session over")):
            with listener.accept()[0] as s:
                s.settimeout(lab.PATIENCE)
                s.recv(4096)
                s.sendall(bytes([0x20, 3, 0, 0, 0]))
                check(s.recv(4096)[0] == 0x82, "SUBSCRIBE")
                s.sendall(bytes([0xe0, 2, code, 0]))
                p.err.wait(lambda t, line=line: f"the broker ended the connection: {line}; trying again" in t, line)
        p.signal(signal.SIGTERM)
        check(p.end(10) == 0, f"{p.err.all}")


def ended_again_and_again(folder):
    """A broker that takes everybody and at once ends the connection: the first times are said, not every attempt."""
    for command, warning in (("consume", "warning: broker"), ("device", "warning: edge-device: broker")):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(lab.PATIENCE)
            env = {"MQTT_BROKER": "127.0.0.1", "MQTT_PORT": str(listener.getsockname()[1]), "METRICS_DIR": folder, "LOG_LEVEL": "debug"}
            p = lab.Program(command, **env, **(QUICK if command == "device" else {}))
            log = p.out if command == "device" else p.err
            for attempt in range(1, 6):
                with listener.accept()[0] as s:
                    s.settimeout(lab.PATIENCE)
                    s.recv(4096)
                    s.sendall(bytes([0x20, 3, 0, 0, 0, 0xe0, 2, 0x97, 0]))
                    lab.wait_for(lambda n=attempt: sum("trying again" in t for t in list(log.all)) == n, f"attempt {attempt}")
            said = [t.split(maxsplit=1)[1] for t in log.all if "the broker ended the connection" in t]
            check([t.startswith(warning) for t in said] == [True] * 3 + [False] * 2, f"{command}: {said}")
            connected = [t.split()[1] for t in log.all if "connected to 127" in t]
            check(connected.count("info:") <= 4, f"{command}: {connected}")
            p.signal(signal.SIGTERM)
            p.end(10)


def sent_numbers(p):
    return [int(m.group(1)) for m in (re.search(r"Sent telemetry #(\d+):", s) for s in list(p.out.all)) if m]


def outage(folder):
    """Away at the start, killed and started again in the middle: an outside client sees every number once or twice, in order."""
    port = lab.free_port()
    queue = os.path.join(folder, "queue")
    p = lab.Program("device", METRICS_DIR=folder, MQTT_BROKER="127.0.0.1", MQTT_PORT=str(port), **QUICK)
    p.out.wait(lambda s: "Sent telemetry #20:" in s, "messages without a broker")
    lab.wait_for(lambda: os.path.isdir(queue) and os.path.getsize(os.path.join(queue, os.listdir(queue)[0])) > 1000, "they are on disk")
    broker = lab.Broker(folder, persistent=True, port=port)
    sub = lab.Subscriber(port, ["iot/telemetry/+"], session="counter")
    sub.wait("iot/telemetry/", 30)
    broker.kill()
    p.out.wait(lambda s: "trying again" in s, "the outage is said")
    n = sent_numbers(p)[-1]
    p.out.wait(lambda s: f"Sent telemetry #{n + 30}:" in s, "messages meanwhile")
    broker.start()
    p.out.wait(lambda s: "connected to" in s, "the return is said")
    n = sent_numbers(p)[-1]
    p.out.wait(lambda s: f"Sent telemetry #{n + 10}:" in s, "messages after it")
    p.signal(signal.SIGTERM)
    check(p.end(10) == 0, f"{p.out.all[-3:]} {p.err.all}")
    last = sent_numbers(p)[-1]
    lab.wait_for(lambda: any(m["seq"] == last for _, m in sub.json("iot/telemetry/")), "the last one")
    # The subscriber comes to a broker of an earlier moment: from its first number on there is no gap.
    seqs = [m["seq"] for _, m in sub.json("iot/telemetry/")]
    first = []
    for s in seqs:
        if s not in first:
            first.append(s)
    check(first == list(range(first[0], last + 1)), f"gaps or disorder: {first}")
    check(not os.listdir(queue), f"{os.listdir(queue)}")
    sub.close(), broker.kill()


def killed_while_away(folder):
    """kill -9 with the broker away: what was sent is sent at the next start, before what is new."""
    port = lab.free_port()
    env = {"METRICS_DIR": folder, "MQTT_QUEUE_DIR": os.path.join(folder, "q"), "MQTT_BROKER": "127.0.0.1", "MQTT_PORT": str(port), **QUICK}
    p = lab.Program("device", **env)
    p.out.wait(lambda s: "trying again" in s, "no broker")
    p.out.wait(lambda s: "Sent telemetry #25:" in s, "messages")
    code, _, err = lab.run("device", **env)
    check(code == 1 and err.count("\n") == 1 and "another process has it: two devices with the same name and id?" in err, f"{code} {err}")
    p.signal(signal.SIGKILL)
    p.end()
    known = sent_numbers(p)[-1]
    with open(os.path.join(folder, "q", os.listdir(os.path.join(folder, "q"))[0]), "ab") as f:
        f.write(b"\x40\0\0\0torn")  # as a machine that lost power may leave it
    broker = lab.Broker(folder, port=port)
    sub = lab.Subscriber(port, ["iot/telemetry/+"])
    p = lab.Program("device", **env)
    p.out.wait(lambda s: "8 bytes of a torn end were cut off" in s, "the torn end is said")
    p.out.wait(lambda s: re.search(r"\d+ messages of an earlier start are sent first", s), "it is said")
    p.out.wait(lambda s: "Sent telemetry #10:" in s, "new ones")
    p.signal(signal.SIGTERM)
    check(p.end(10) == 0, f"{p.err.all}")
    lab.wait_for(lambda: sub.json("iot/telemetry/")[-1:] and sub.json("iot/telemetry/")[-1][1]["seq"] == sent_numbers(p)[-1], "the last one")
    seqs = [m["seq"] for _, m in sub.json("iot/telemetry/")]
    restart = next(i for i in range(1, len(seqs)) if seqs[i] < seqs[i - 1])
    check(seqs[:restart] == list(range(1, restart + 1)) and restart >= known, f"{known} were sent, these came first: {seqs[:restart]}")
    check(seqs[restart:] == list(range(1, len(seqs) - restart + 1)), f"then these: {seqs[restart:]}")
    check(not os.listdir(os.path.join(folder, "q")), "an empty queue leaves no file")
    # Told to end while the broker is away: it waits on disk too, and that is said.
    broker.kill()
    p = lab.Program("device", **env)
    p.out.wait(lambda s: "Sent telemetry #5:" in s, "messages")
    p.signal(signal.SIGHUP)  # the terminal is closed: as SIGTERM
    check(p.end(10) == 1 and any(" on disk (MQTT_QUEUE_DIR)" in s for s in p.out.all), f"{p.out.all[-3:]}")
    check(os.listdir(os.path.join(folder, "q")), "the file")
    sub.close()


def bounded(folder):
    port = lab.free_port()
    env = {"METRICS_DIR": folder, "MQTT_QUEUE_MAX": "10", "MQTT_BROKER": "127.0.0.1", "MQTT_PORT": str(port), **QUICK}
    p = lab.Program("device", **env)
    p.out.wait(lambda s: "Sent telemetry #60:" in s, "messages")
    p.signal(signal.SIGKILL)
    p.end()
    at = next(i for i, s in enumerate(p.out.all) if "dropped so far: a device keeps 10 while its broker is away" in s)
    dropped = int(re.search(r"warning: (\d+) messages dropped", p.out.all[at]).group(1))
    sent = sum("Sent telemetry #" in s for s in p.out.all[:at])
    check(dropped == sent - 10 > 0, f"{dropped} dropped of {sent}: all but the newest ten")
    broker = lab.Broker(folder, port=port)
    sub = lab.Subscriber(port, ["iot/telemetry/+"])
    p = lab.Program("device", **env)
    line = p.out.wait(lambda s: "messages of an earlier start" in s, "it is said")
    check(" 10 messages of an earlier start" in line, line)
    seqs = [m["seq"] for _, m in [(t, m) for t, m in (sub.wait("iot/telemetry/", 12) and sub.json("iot/telemetry/"))]]
    old = seqs[:next(i for i in range(1, len(seqs)) if seqs[i] < seqs[i - 1])]  # new ones may have come before the connection
    check(old == list(range(old[0], old[0] + len(old))) and old[0] > 50 and 5 <= len(old) <= 10, f"the newest ten: {seqs[:12]}")
    p.signal(signal.SIGTERM)
    check(p.end(10) == 0, "exit code")
    # A queue that cannot be made: named, it is wrong at once; else it is said, and memory has to do.
    broker.kill()
    code, _, err = lab.run("device", **env, MQTT_QUEUE_DIR="/dev/null/q")
    check(code == 1 and "/dev/null" in err, f"{code} {err}")
    sub.close()


if __name__ == "__main__":
    lab.find("mosquitto"), lab.find("mosquitto_sub"), lab.find("openssl")
    tests = [certificates, client_certificates, old_tls, passwords, versions, topics, rights, refused_subscription, packets_too_large, ended_by_the_broker, ended_again_and_again,
             outage, killed_while_away, bounded]
    lab.main(*[t for t in tests if len(sys.argv) < 2 or t.__name__ in sys.argv[1:]])
