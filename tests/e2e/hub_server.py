# SPDX-License-Identifier: MIT
"""A Hugging Face hub of our own on loopback, for tests: the API of a revision, files by resolve/, LFS files by a redirect to a
second server of another port. Faults are queued by path. Speaks as much of it as Python's huggingface_hub asks for. Standard
library only."""
import hashlib
import http.server
import json
import socket
import ssl
import threading
import urllib.parse


def git_id(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Repository:
    def __init__(self, name, files, commit, lfs):
        self.name, self.files, self.commit, self.lfs = name, files, commit, lfs
        self.revisions = {"main", commit}

    def is_lfs(self, path):
        return path.endswith(self.lfs)

    def etag(self, path):
        data = self.files[path]
        return sha256(data) if self.is_lfs(path) else git_id(data)


class Request:
    """What came in, for the test to look at."""

    def __init__(self, server, method, path, headers):
        self.server, self.method, self.path, self.headers = server, method, path, headers

    def __repr__(self):
        return f"{self.method} {self.server}{self.path} range={self.headers.get('Range')}"


class Fault:
    """Done once to one request of a path: see Handler.body and Handler.refuse for what a fault may say."""

    def __init__(self, **what):
        self.what = what

    def __getattr__(self, name):
        return self.what.get(name)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        hub = self.server.hub
        path = self.path
        if path.startswith("http://"):  # we are its proxy
            hub.proxied += 1
            path = "/" + path.split("/", 3)[3]
        hub.requests.append(Request(self.server.label, self.command, path, self.headers))
        url = urllib.parse.urlsplit(path)
        parts = urllib.parse.unquote(url.path)
        try:
            if self.server.label == "cdn":
                self.blob(parts[len("/blob/"):])
            elif parts.startswith("/api/models/"):
                self.api(url, parts[len("/api/models/"):])
            elif "/resolve/" in parts:
                self.resolve(parts)
            else:
                self.refuse(404)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    # ---- answers ----

    def send(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers and "Transfer_Encoding" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code=None, **headers):
        if code:
            headers["X_Error_Code"] = code
        self.send(status, b'{"error":"refused"}', **headers)

    def cut(self):
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def allowed(self, name):
        """Whether the request may see the repository, else answers."""
        hub = self.server.hub
        token = self.headers.get("Authorization")
        if name in hub.gated and token != f"Bearer {hub.gated[name]}":
            self.refuse(403 if token else 401, "GatedRepo")
        elif token and hub.token and token != f"Bearer {hub.token}":
            self.refuse(401, X_Error_Message="Invalid credentials in Authorization header")
        elif name not in hub.repositories:
            self.refuse(404 if token else 401, "RepoNotFound")
        else:
            return True
        return False

    def fault(self, path):
        queue = self.server.hub.faults.get(path, [])
        return queue.pop(0) if queue else None

    def plain_fault(self, fault):
        """Answers for the faults that every answer may have; true if it did."""
        if fault is None:
            return False
        if fault.raw is not None:
            self.wfile.write(fault.raw)
            self.cut()
        elif fault.status:
            self.send(fault.status, b"{}", **(fault.headers or {}))
        elif fault.redirect:
            self.send(302, b"", Location=fault.redirect)
        else:
            return False
        return True

    # ---- the API ----

    def api(self, url, rest):
        hub = self.server.hub
        if self.plain_fault(self.fault("api")):
            return
        for kind in ("/revision/", "/tree/"):
            if kind in rest:
                break
        else:
            kind, rest = "/revision/", rest + "/revision/main"
        name, revision = rest.split(kind, 1)
        if not self.allowed(name):
            return
        repository = hub.repositories[name]
        if revision not in repository.revisions:
            self.refuse(404, "RevisionNotFound")
            return
        with_blobs = "blobs" in url.query and not hub.plain_api
        body = self.tree(repository) if kind == "/tree/" else self.info(repository, with_blobs)
        self.send(200, hub.answer or json.dumps(body).encode(), Content_Type="application/json")

    def info(self, r, blobs):
        files = []
        for path, data in r.files.items():
            f = {"rfilename": path}
            if blobs:
                f.update(size=len(data), blobId=git_id(data))
                if r.is_lfs(path):
                    f.update(blobId=git_id(b"pointer"), lfs={"sha256": sha256(data), "size": len(data), "pointerSize": 134})
            files.append(f)
        return {"_id": "1", "id": r.name, "modelId": r.name, "sha": r.commit, "private": False, "tags": [], "siblings": files}

    def tree(self, r):
        found = []
        for path, data in r.files.items():
            f = {"type": "file", "path": path, "size": len(data), "oid": git_id(data)}
            if r.is_lfs(path):
                f["lfs"] = {"oid": sha256(data), "size": len(data), "pointerSize": 134}
            found.append(f)
        return found

    # ---- files ----

    def resolve(self, parts):
        hub = self.server.hub
        name, rest = parts[1:].split("/resolve/", 1)
        revision, path = rest.split("/", 1)
        if not self.allowed(name):
            return
        r = hub.repositories[name]
        if revision not in r.revisions or path not in r.files:
            self.refuse(404, "EntryNotFound" if revision in r.revisions else "RevisionNotFound", X_Repo_Commit=r.commit)
            return
        if r.is_lfs(path):
            if self.plain_fault(self.fault("resolve/" + path)):
                return
            hub.served[path] = r.files[path]
            self.send(302, b"", Location=f"{hub.cdn}/blob/{path}?signature=secret", X_Linked_Etag=f'"{r.etag(path)}"',
                      X_Linked_Size=str(len(r.files[path])), X_Repo_Commit=r.commit, ETag=f'"{r.etag(path)}"')
            return
        self.body(path, r.files[path], {"ETag": f'"{r.etag(path)}"', "X-Repo-Commit": r.commit})

    def blob(self, path):
        data = self.server.hub.served[path]
        self.body(path, data, {"ETag": f'"cdn-{len(data)}"'})

    def body(self, path, data, headers):
        hub = self.server.hub
        fault = self.fault(path)
        if self.plain_fault(fault):
            return
        fault = fault or Fault()
        if fault.data is not None:
            data = fault.data
        if fault.etag:
            headers = {**headers, "X-Linked-Etag": headers["ETag"], "ETag": fault.etag}
        with hub.lock:
            hub.active += 1
            hub.most_active = max(hub.most_active, hub.active)
        try:
            if fault.meet:
                fault.meet.wait(30)
            self.send_body(data, headers, fault)
        finally:
            with hub.lock:
                hub.active -= 1

    def send_body(self, data, headers, fault):
        first, status = 0, 200
        asked = self.headers.get("Range")
        if asked and not fault.no_range:
            first = int(asked[len("bytes="):].split("-")[0])
            if first >= len(data):
                self.send(416, b"", Content_Range=f"bytes */{len(data)}")
                return
            status = 206
            headers["Content-Range"] = fault.range or f"bytes {first}-{len(data) - 1}/{len(data)}"
        part = data[first:]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if fault.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif fault.no_length:
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault.cut is not None:
            self.wfile.write(part[:fault.cut])
            self.cut()
        elif fault.hold:
            self.wfile.write(part[:fault.after])
            self.wfile.flush()
            fault.hold.wait(60)
            self.cut()
        elif fault.chunked:
            for i in range(0, len(part), 1000):
                piece = part[i:i + 1000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(part)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


class Hub:
    def __init__(self):
        self.lock = threading.Lock()
        self.repositories, self.requests, self.faults, self.served = {}, [], {}, {}
        self.gated, self.token = {}, None  # name: the token that is let in; the only token known
        self.plain_api = False  # no sizes and ids in the API's answer
        self.answer = None      # bytes that the API answers with instead
        self.active = self.most_active = self.proxied = 0
        self.servers = []
        self.url, self.cdn = self.start("hub"), self.start("cdn")

    def start(self, label, certificate=None):
        """certificate: a file with key and certificate, for https."""
        server = Server(("127.0.0.1", 0), Handler)
        server.hub, server.label = self, label
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.servers.append(server)
        return f"http{'s' if certificate else ''}://127.0.0.1:{server.server_address[1]}"

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def add(self, name, files, commit="0123456789abcdef0123456789abcdef01234567", lfs=(".safetensors", ".gguf", ".bin")):
        self.repositories[name] = Repository(name, files, commit, lfs)
        return self.repositories[name]

    def queue(self, path, *faults):
        self.faults.setdefault(path, []).extend(faults)

    def asked(self, part, server=None):
        return [r for r in self.requests if part in r.path and (server is None or r.server == server)]
