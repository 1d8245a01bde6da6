"""Real clients in a network and mount namespace of their own.

A test that uses them calls enter_namespaces() before anything else: the program starts itself again
inside fresh namespaces, where 192.0.2.10 (TEST-NET-1) is an address of the loopback device. Clients
trust loopback registries without a certificate; this address they do not, so that certificates are
really verified. What is put into /etc/docker and /etc/containers/certs.d exists only in the
namespace: the machine's own registries and certificates are neither used nor touched."""

import os
import shutil
import subprocess
import sys
import tarfile
import io

from .registry import Registry, die_with_parent, fresh_dir, run
from .tap import at_exit, wait_until

__all__ = ["ADDRESS", "enter_namespaces", "need", "Docker", "ok", "fails", "trust", "rootfs_tar"]

ADDRESS = "192.0.2.10"


def bail_out(reason):
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)


def need(*programs):
    """Ends the whole file with a skip when a client is not installed."""
    missing = [p for p in programs if not shutil.which(p)]
    if missing:
        bail_out(f"not installed: {' '.join(missing)} (deploy/deps clients)")


def enter_namespaces():
    if os.environ.get("KONTOR_IT_NAMESPACE"):
        return
    if os.geteuid() != 0:
        bail_out("needs root for namespaces of its own")
    need("unshare", "ip")
    inside = ["unshare", "--mount", "--net", "--propagation", "private"]
    if subprocess.run([*inside, "true"], capture_output=True).returncode != 0:
        bail_out("namespaces cannot be made here")
    setup = (
        "ip link set lo up && ip address add %s/32 dev lo && mkdir -p /etc/docker /etc/containers/certs.d && "
        "mount -t tmpfs none /etc/docker && mount -t tmpfs none /etc/containers/certs.d && exec \"$@\"" % ADDRESS
    )
    env = dict(os.environ, KONTOR_IT_NAMESPACE="1")
    os.execvpe("unshare", [*inside, "sh", "-ec", setup, "sh", sys.executable, *sys.argv], env)


def trust(registry, base="/etc/docker/certs.d"):
    """Puts the registry's CA where clients look for it."""
    folder = os.path.join(base, registry.host)
    os.makedirs(folder)
    shutil.copy(registry.ca_path, os.path.join(folder, "ca.crt"))


def ok(done):
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(done.args)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def fails(done, text):
    """It failed, and said why in these words (a regex)."""
    import re

    said = done.stdout + done.stderr
    if done.returncode == 0 or not re.search(text, said, re.I):
        raise AssertionError(f"{' '.join(done.args)}: exit {done.returncode}, want a failure saying /{text}/\n{said}")
    return done


def rootfs_tar(size=200_000):
    """A file system of one random file, for `docker import`."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        entry = tarfile.TarInfo("data")
        entry.size = size
        tar.addfile(entry, io.BytesIO(os.urandom(size)))
    return raw.getvalue()


class Docker:
    """A dockerd of its own, and the docker command line talking to it."""

    def __init__(self):
        need("dockerd", "docker")
        self.dir = fresh_dir("kontor-docker-")
        self.config = os.path.join(self.dir, "config")
        self.socket = os.path.join(self.dir, "docker.sock")
        self.log_path = os.path.join(self.dir, "dockerd.log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                ["dockerd", "--data-root", self.dir + "/root", "--exec-root", self.dir + "/exec",
                 "--host", "unix://" + self.socket, "--pidfile", self.dir + "/pid", "--bridge", "none",
                 "--iptables=false", "--ip6tables=false", "--storage-driver", "vfs"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)
        at_exit(self.stop)
        try:
            wait_until(lambda: self.process.poll() is not None or self("version").returncode == 0, "dockerd is up", 60)
        except AssertionError:
            pass
        if self("version").returncode != 0:
            with open(self.log_path, encoding="utf-8", errors="replace") as log:
                last = log.read().strip().splitlines()[-1:]
            bail_out(f"dockerd does not start here: {last}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        # What dockerd left mounted below its directory would keep that from being removed.
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            inside = [line.split()[1] for line in mounts if line.split()[1].startswith(self.dir)]
        for path in reversed(inside):
            subprocess.run(["umount", "-l", path], check=False)

    def __call__(self, *words, stdin=None, config=None, env=None):
        environment = dict(os.environ, DOCKER_HOST="unix://" + self.socket, DOCKER_CONFIG=config or self.config,
                           DOCKER_BUILDKIT="0", **(env or {}))
        return run("docker", *words, stdin=stdin, timeout=120, env=environment)

    def login(self, registry, user, password, config=None):
        return self("login", "-u", user, "--password-stdin", registry.host, stdin=password + "\n", config=config)

    def new_image(self, name, size=200_000):
        ok(self("import", "-", name, stdin=rootfs_tar(size)))
