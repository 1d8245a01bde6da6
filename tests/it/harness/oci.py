"""A registry client that does what the specification says, and makers of small images."""

import base64
import gzip
import hashlib
import io
import json
import os
import re
import tarfile
import urllib.parse

from .wire import ConnectionEnded

__all__ = [
    "Client", "Upload", "Image", "digest_of", "layer", "image", "index", "artifact", "descriptor",
    "quote", "OCI_MANIFEST", "OCI_INDEX", "DOCKER_MANIFEST", "DOCKER_LIST", "OCTETS", "EMPTY_JSON",
    "OCI_EMPTY", "random_bytes",
]

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCTETS = "application/octet-stream"
EMPTY_JSON = b"{}"

random_bytes = os.urandom


def quote(text):
    return urllib.parse.quote(text, safe="")


def digest_of(data, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


# ---- documents ----


def descriptor(data, media_type, algorithm="sha256", **fields):
    return {"mediaType": media_type, "digest": digest_of(data, algorithm), "size": len(data), **fields}


def layer(files=None):
    """A gzipped tar (and its diff-id); random content unless files are given as {name: bytes}."""
    files = files or {"data": random_bytes(600)}
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=0), digest_of(raw.getvalue())


class Image:
    """A manifest, its bytes and digest, and the blobs it needs."""

    def __init__(self, document, blobs, children=(), algorithm="sha256"):
        self.document, self.blobs, self.children = document, blobs, list(children)
        self.bytes = json.dumps(document, indent=3).encode()
        self.media_type = document.get("mediaType")
        self.digest = digest_of(self.bytes, algorithm)

    def descriptor(self, **fields):
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.bytes), **fields}


def image(layers=1, docker=False, algorithm="sha256", config=None, layer_bytes=None, **fields):
    """An image manifest with random layers (or the given ones). Further fields go into it."""
    made = [(data, digest_of(data)) for data in layer_bytes] if layer_bytes else [layer() for _ in range(layers)]
    config_bytes = json.dumps(config or {
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/true"]},
        "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in made]},
        "author": random_bytes(8).hex(),
    }).encode()
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST,
        "config": descriptor(config_bytes, DOCKER_CONFIG if docker else OCI_CONFIG, algorithm),
        "layers": [descriptor(data, DOCKER_LAYER if docker else OCI_LAYER, algorithm) for data, _ in made],
        **fields,
    }
    return Image(document, [config_bytes] + [data for data, _ in made], algorithm=algorithm)


def artifact(artifact_type="application/vnd.example.thing", subject=None, content=None, **fields):
    """An artifact: empty config, one blob, perhaps a subject."""
    content = content if content is not None else random_bytes(64)
    document = {
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": artifact_type,
        "config": descriptor(EMPTY_JSON, OCI_EMPTY), "layers": [descriptor(content, OCTETS)], **fields,
    }
    if subject:
        document["subject"] = subject
    return Image(document, [EMPTY_JSON, content])


def index(children, docker=False, **fields):
    """An index (or docker manifest list) of images; platforms are made up."""
    machines = ["amd64", "arm64", "riscv64", "s390x"]
    entries = [
        child.descriptor(platform={"os": "linux", "architecture": machines[i % 4]})
        for i, child in enumerate(children)
    ]
    document = {
        "schemaVersion": 2, "mediaType": DOCKER_LIST if docker else OCI_INDEX, "manifests": entries,
        **fields,
    }
    return Image(document, [], children)


# ---- client ----


class Upload:
    """An upload session: where it is and what the last reply was."""

    def __init__(self, response):
        self.response = response
        self.location = response.get("location")

    def at(self, digest=None, **query):
        """The session's URL with more query parameters, as clients append them."""
        extra = [f"{k}={v}" for k, v in query.items()]
        if digest:
            extra.append("digest=" + quote(digest))
        joint = "&" if "?" in self.location else "?"
        return self.location + (joint + "&".join(extra) if extra else "")


class Client:
    """Does the token dance on 401 and keeps tokens per challenge; keeps its connection."""

    def __init__(self, registry, user=None, password=None, keep_alive=True):
        self.registry, self.user, self.password = registry, user, password
        self.keep_alive = keep_alive
        self.tokens = {}
        self.conn = None

    # ---- requests ----

    def request(self, method, target, headers=(), body=b"", auth=None, retry=True):
        """One request. auth: None dances; "none" sends nothing; "basic"; "Bearer x" as it is."""
        headers = list(headers.items() if isinstance(headers, dict) else headers)
        target = self._path(target)
        key = self._token_key(method, target)
        if auth == "basic":
            headers.append(("Authorization", self.basic()))
        elif auth not in (None, "none"):
            headers.append(("Authorization", auth))
        elif auth is None and key in self.tokens:
            headers.append(("Authorization", "Bearer " + self.tokens[key]))
        reply = self._exchange(method, target, headers, body)
        if reply.status != 401 or auth is not None or not retry:
            return reply
        token = self._answer(reply)
        if token is None or self.tokens.get(key) == token:
            return reply
        self.tokens[key] = token
        headers = [(n, v) for n, v in headers if n != "Authorization"]
        return self.request(method, target, headers, body, retry=False)

    def _path(self, target):
        """Location may be absolute; it must then name this registry."""
        if target.startswith("http"):
            parts = urllib.parse.urlsplit(target)
            if parts.netloc != self.registry.host:
                raise AssertionError(f"another host: {target}")
            return parts.path + ("?" + parts.query if parts.query else "")
        return target

    def _exchange(self, method, target, headers, body):
        for attempt in (1, 2):
            fresh = self.conn is None or self.conn.ended
            if fresh:
                self.conn = self.registry.connect(60)
            try:
                reply = self.conn.request(method, target, headers, body, host=self.registry.host)
                break
            except (ConnectionEnded, OSError):
                self.conn.close()
                self.conn = None
                if fresh or attempt == 2:
                    raise
        if not self.keep_alive:
            self.conn.close()
        return reply

    @staticmethod
    def _token_key(method, target):
        path = target.partition("?")[0]
        repo = re.split(r"/(?:manifests|blobs|tags|referrers)(?:/|$)", path)[0]
        kind = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}.get(method, "push")
        return repo + ":" + kind + (":" + target.partition("?")[2] if "mount=" in target else "")

    def basic(self):
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    @staticmethod
    def challenge(reply):
        """The parameters of a Bearer challenge, or None."""
        value = reply.get("www-authenticate", "")
        scheme, _, rest = value.partition(" ")
        if scheme.lower() != "bearer":
            return None
        return dict(re.findall(r'([a-z_]+)="([^"]*)"', rest))

    def _answer(self, reply):
        asked = self.challenge(reply)
        if asked is None:
            return None
        got = self.get_token(asked.get("scope", "").split(" "), asked["service"], asked["realm"])
        return got.json()["token"] if got.status == 200 else None

    def get_token(self, scopes=(), service=None, realm="/token", credentials=True, **query):
        """GET of the token endpoint; returns the reply."""
        pairs = ([("service", service)] if service else []) + [("scope", s) for s in scopes if s]
        pairs += list(query.items())
        path = urllib.parse.urlsplit(realm).path
        headers = [("Authorization", self.basic())] if self.user and credentials else []
        return self._exchange("GET", path + "?" + urllib.parse.urlencode(pairs), headers, b"")

    def token(self, *scopes, **keywords):
        """A token for these scopes, as text."""
        return self.get_token(scopes, **keywords).expect(200).json()["token"]

    # ---- blobs ----

    def start_upload(self, repo, query=""):
        reply = self.request("POST", f"/v2/{repo}/blobs/uploads/{query}").expect(202)
        return Upload(reply)

    def patch(self, upload, data, content_range=None):
        headers = [("Content-Type", OCTETS)]
        if content_range:
            headers.append(("Content-Range", content_range))
        reply = self.request("PATCH", upload.location, headers, data)
        if reply.status == 202:
            upload.response, upload.location = reply, reply.get("location")
        return reply

    def finish(self, upload, digest, data=b"", headers=()):
        return self.request("PUT", upload.at(digest), [("Content-Type", OCTETS), *headers], data)

    def push_blob(self, repo, data, algorithm="sha256"):
        """POST and PUT; returns the digest."""
        digest = digest_of(data, algorithm)
        self.finish(self.start_upload(repo), digest, data).expect(201)
        return digest

    def get_blob(self, repo, digest, headers=(), method="GET"):
        return self.request(method, f"/v2/{repo}/blobs/{digest}", headers)

    def head_blob(self, repo, digest):
        return self.get_blob(repo, digest, method="HEAD")

    def delete_blob(self, repo, digest):
        return self.request("DELETE", f"/v2/{repo}/blobs/{digest}")

    # ---- manifests ----

    def put_manifest(self, repo, reference, data, media_type=OCI_MANIFEST, headers=(), query=""):
        return self.request("PUT", f"/v2/{repo}/manifests/{reference}{query}",
                            [("Content-Type", media_type), *headers], data)

    def push(self, repo, reference, thing, headers=(), query=""):
        """Everything an image needs, then its manifest (reference None: by digest)."""
        algorithm = thing.digest.split(":")[0]
        for blob in thing.blobs:
            if self.head_blob(repo, digest_of(blob, algorithm)).status != 200:
                self.push_blob(repo, blob, algorithm)
        for child in thing.children:
            self.push(repo, None, child)
        reply = self.put_manifest(repo, reference or thing.digest, thing.bytes, thing.media_type,
                                  headers, query)
        return reply.expect(201)

    def get_manifest(self, repo, reference, accept=(OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST),
                     headers=(), method="GET"):
        fields = [("Accept", a) for a in accept] + list(headers)
        return self.request(method, f"/v2/{repo}/manifests/{reference}", fields)

    def head_manifest(self, repo, reference, **keywords):
        return self.get_manifest(repo, reference, method="HEAD", **keywords)

    def delete_manifest(self, repo, reference):
        return self.request("DELETE", f"/v2/{repo}/manifests/{reference}")

    def tags(self, repo, query=""):
        return self.request("GET", f"/v2/{repo}/tags/list{query}")

    def referrers(self, repo, digest, query=""):
        return self.request("GET", f"/v2/{repo}/referrers/{digest}{query}")
