"""The servers that are compared: how each one is started, filled and measured.

Every server gets the same certificate, the same content and its own directory; ports are chosen by
the kernel. A server is ended by its process id.
"""

import base64
import hashlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import statistics
import subprocess
import time
import urllib.parse

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
APP = "bench/app"  # holds what is pulled
PUSH = "bench/push"  # receives what is pushed
TAGS = "bench/tags"  # has many tags
PASSWORD = "only-for-this-benchmark"
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Content:
    """What every server serves: one image with a small and a large layer."""

    def __init__(self, large_bytes):
        self.config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
        self.small = os.urandom(4096)
        self.large = os.urandom(1 << 20) * (large_bytes >> 20)
        descriptors = [
            {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest_of(data), "size": len(data)}
            for data in (self.small, self.large)
        ]
        self.manifest = json.dumps({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest_of(self.config),
                "size": len(self.config),
            },
            "layers": descriptors,
        }).encode()
        self.blobs = [self.config, self.small, self.large]
        self.empty_index = json.dumps(
            {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": []}).encode()


def make_certificate(directory):
    cert, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "30", "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", key, "-out", cert],
        check=True, capture_output=True)
    return cert, key


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """One server process. Subclasses say how it starts and how it is filled."""

    name = ""

    def __init__(self, directory, cert, key):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir()
        self.cert, self.key = cert, key
        self.process = None
        self.port = None
        self.authorization = None

    # -- life ----------------------------------------------------------------------------------

    def start(self):
        """Starts the process and returns the seconds until it was ready."""
        begin = time.monotonic()
        self.log = open(self.dir / "log", "ab+")
        self.log_start = self.log.seek(0, os.SEEK_END)
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, env=self.environment())
        while not self.is_ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended at start: {self.log_text()}")
            if time.monotonic() > begin + 30:
                raise RuntimeError(f"{self.name} was not ready within 30 s: {self.log_text()}")
            time.sleep(0.001)
        return time.monotonic() - begin

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
            self.log.close()

    def environment(self):
        return None

    def log_text(self):
        return (self.dir / "log").read_bytes()[self.log_start:].decode(errors="replace")[-4000:]

    def is_ready(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    # -- measuring -----------------------------------------------------------------------------

    def pids(self):
        """The process and its children (nginx has workers)."""
        pid = self.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid] + [int(child) for child in children]

    def cpu_s(self):
        ticks = 0
        for pid in self.pids():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / CLOCK_TICKS

    def rss_mib(self):
        total = 0
        for pid in self.pids():
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            total += int(re.search(r"VmRSS:\s+(\d+)", status).group(1))
        return total / 1024

    # -- talking -------------------------------------------------------------------------------

    def connection(self):
        context = ssl.create_default_context(cafile=str(self.cert))
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=120, context=context)

    def request(self, connection, method, path, body=None, headers=None, want=(200, 201, 202)):
        headers = dict(headers or {})
        if self.authorization:
            headers.setdefault("Authorization", self.authorization)
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        data = reply.read()
        if reply.status not in want:
            raise RuntimeError(f"{self.name}: {method} {path}: {reply.status} {data[:300]}")
        return reply, data

    def headers(self):
        """Header lines for the load generators."""
        return [f"Authorization: {self.authorization}"] if self.authorization else []

    def put_blob(self, connection, repo, data):
        reply, _ = self.request(connection, "POST", f"/v2/{repo}/blobs/uploads/", b"")
        location = urllib.parse.urlsplit(reply.headers["Location"])
        query = location.query + ("&" if location.query else "") + "digest=" + digest_of(data)
        self.request(connection, "PUT", f"{location.path}?{query}", data,
                     {"Content-Type": "application/octet-stream"})

    def put_app(self, content):
        connection = self.connection()
        for data in content.blobs:
            self.put_blob(connection, APP, data)
        self.request(connection, "PUT", f"/v2/{APP}/manifests/latest", content.manifest,
                     {"Content-Type": MANIFEST_TYPE})
        connection.close()


class Kontor(Server):
    name = "kontor"

    def __init__(self, directory, cert, key, program):
        super().__init__(directory, cert, key)
        self.program = program

    def command(self):
        return [self.program, "serve", "--data", self.dir / "data", "--listen", "127.0.0.1:0",
                "--tls-cert", self.cert, "--tls-key", self.key]

    def is_ready(self):
        match = re.search(r"listening on https://127\.0\.0\.1:(\d+)", self.log_text())
        if match:
            self.port = int(match.group(1))
        return match is not None

    def fill(self, content, tags, repos):
        subprocess.run([self.program, "user", "add", "bench", "--admin", "--password-stdin", "--data",
                        self.dir / "data"], input=PASSWORD.encode() + b"\n", check=True, capture_output=True)
        self.use_basic()
        self.put_app(content)
        connection = self.connection()
        put = lambda repo, query: self.request(
            connection, "PUT", f"/v2/{repo}/manifests/{query}", content.empty_index,
            {"Content-Type": INDEX_TYPE})
        digest = digest_of(content.empty_index)
        for first in range(0, tags, 50):
            names = "&".join(f"tag=t{n:06}" for n in range(first, min(first + 50, tags)))
            put(TAGS, f"{digest}?{names}")
        for n in range(repos):
            put(f"bench/r{n:05}", "latest")
        connection.close()

    def use_basic(self):
        self.authorization = "Basic " + base64.b64encode(b"bench:" + PASSWORD.encode()).decode()

    def use_bearer(self):
        """A fresh token, got the way clients do: from the challenge of /v2/."""
        connection = self.connection()
        self.authorization = None
        reply, _ = self.request(connection, "GET", "/v2/", want=(401,))
        challenge = dict(re.findall(r'(\w+)="([^"]*)"', reply.headers["WWW-Authenticate"]))
        query = [("service", challenge["service"]), ("scope", "registry:catalog:*")]
        query += [("scope", f"repository:{repo}:pull,push") for repo in (APP, PUSH, TAGS)]
        path = urllib.parse.urlsplit(challenge["realm"]).path + "?" + urllib.parse.urlencode(query)
        self.use_basic()
        _, data = self.request(connection, "GET", path)
        self.authorization = "Bearer " + json.loads(data)["token"]
        connection.close()


class Distribution(Server):
    """Debian's docker-registry without authentication and with its cache: its best case."""

    name = "distribution"

    def __init__(self, directory, cert, key):
        super().__init__(directory, cert, key)
        (self.dir / "config.yml").write_text(f"""
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {self.dir}/data}}
  cache: {{blobdescriptor: inmemory}}
  delete: {{enabled: true}}
""")

    def command(self):
        self.port = self.port or free_port()
        return ["docker-registry", "serve", self.dir / "config.yml"]

    def environment(self):
        return dict(os.environ, REGISTRY_HTTP_ADDR=f"127.0.0.1:{self.port}",
                    REGISTRY_HTTP_TLS_CERTIFICATE=str(self.cert),
                    REGISTRY_HTTP_TLS_KEY=str(self.key), OTEL_TRACES_EXPORTER="none")

    def fill(self, content, tags, repos):
        """Many tags and repositories are written as its files: one by one they would take minutes."""
        self.put_app(content)
        connection = self.connection()
        self.put_blob(connection, TAGS, content.config)
        connection.close()
        root = self.dir / "data/docker/registry/v2/repositories"
        digest = digest_of(content.manifest)
        for n in range(tags):
            tag = root / TAGS / "_manifests/tags" / f"t{n:06}"
            index = tag / "index/sha256" / digest[7:]
            (tag / "current").mkdir(parents=True)
            index.mkdir(parents=True)
            (tag / "current/link").write_text(digest)
            (index / "link").write_text(digest)
        for n in range(repos):
            (root / f"bench/r{n:05}" / "_layers").mkdir(parents=True)
            (root / f"bench/r{n:05}" / "_manifests").mkdir()


class Nginx(Server):
    """The same bytes as static files over the same TLS: the floor of every pull."""

    name = "nginx"

    def command(self):
        self.port = self.port or free_port()
        user = "user root;" if os.geteuid() == 0 else ""
        (self.dir / "nginx.conf").write_text(f"""
{user}
daemon off;
worker_processes {os.cpu_count()};
pid {self.dir}/pid;
error_log {self.dir}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    open_file_cache max=1000 inactive=1h;
    default_type application/octet-stream;
    client_body_temp_path {self.dir}/tmp; proxy_temp_path {self.dir}/tmp;
    fastcgi_temp_path {self.dir}/tmp; uwsgi_temp_path {self.dir}/tmp; scgi_temp_path {self.dir}/tmp;
    server {{
        listen 127.0.0.1:{self.port} ssl reuseport;
        ssl_certificate {self.cert};
        ssl_certificate_key {self.key};
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
        ssl_session_cache shared:s:4m;
        root {self.dir}/root;
    }}
}}
""")
        return ["nginx", "-p", self.dir, "-c", self.dir / "nginx.conf", "-e", self.dir / "error.log"]

    def fill(self, content, tags, repos):
        root = self.dir / "root/v2" / APP
        (root / "blobs").mkdir(parents=True)
        (root / "manifests").mkdir()
        (root / "manifests/latest").write_bytes(content.manifest)
        for data in content.blobs:
            (root / "blobs" / digest_of(data)).write_bytes(data)


def start_median_ms(server, times):
    """Starts and stops `times` times; leaves it running."""
    samples = []
    for _ in range(times):
        server.stop()
        samples.append(server.start())
    return statistics.median(samples) * 1000
