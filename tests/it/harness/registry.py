"""A kontor-registry process of the test's own: fresh directory, port 0, ended by its pid."""

import ctypes
import os
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading

from . import oci
from .tap import at_exit
from .wire import Conn

__all__ = ["Registry", "binary", "fresh_dir", "die_with_parent", "run"]

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PASSWORDS = {"admin": "admin-secret-1", "alice": "alice-secret-2", "bob": "bob-secret-3"}
ALARMS = re.compile(
    r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|KO_ASSERT|assertion|"
    r"stack smashing|double free|corrupted",
    re.I,
)
_libc = ctypes.CDLL(None)


def binary(name="kontor-registry"):
    return os.path.join(os.environ.get("KONTOR_BIN", os.path.join(ROOT, "build", "bin")), name)


def die_with_parent():
    """For preexec_fn: the child gets SIGKILL when the test is gone, however that happened."""
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def fresh_dir(prefix="kontor-it-"):
    path = tempfile.mkdtemp(prefix=prefix)
    if not os.environ.get("KEEP"):
        at_exit(lambda: shutil.rmtree(path, ignore_errors=True))
    return path


def run(*command, stdin=None, timeout=60, **keywords):
    """Runs a program to its end; the result has returncode, stdout and stderr as text."""
    if isinstance(stdin, str):
        stdin = stdin.encode()
    done = subprocess.run(
        command, input=stdin if stdin is not None else b"", capture_output=True, timeout=timeout,
        **keywords,
    )
    done.stdout = done.stdout.decode(errors="replace")
    done.stderr = done.stderr.decode(errors="replace")
    return done


class Registry:
    """Starts on construction unless start=False. `args` are further options of `serve`.

    .admin .alice .bob   clients of three accounts (admin is an administrator)
    .anonymous           a client that never has credentials
    """

    def __init__(self, *args, tls=True, data=None, users=("admin", "alice", "bob"), start=True,
                 listen=("127.0.0.1:0",), env=None):
        self.tls, self.args, self.listen = tls, list(args), list(listen)
        self.dir = fresh_dir()
        self.data = data or os.path.join(self.dir, "data")
        self.log_path = os.path.join(self.dir, "log")
        self.env = dict(os.environ, **(env or {}))
        self.process = None
        self.lines = []
        self.addresses = []
        self._changed = threading.Condition()
        at_exit(self.kill)
        for name in users:
            self.add_user(name, PASSWORDS[name], admin=name == "admin")
        self.anonymous = oci.Client(self)
        for name in PASSWORDS:
            setattr(self, name, oci.Client(self, name, PASSWORDS[name]))
        if start:
            self.start()

    # ---- the command line tool ----

    def cli(self, *args, stdin=None, ok=True):
        done = run(binary(), *args, "--data", self.data, stdin=stdin, env=self.env)
        if ok and done.returncode != 0:
            raise AssertionError(
                f"kontor-registry {' '.join(args)}: exit {done.returncode}\n{done.stderr}{done.stdout}"
            )
        return done

    def add_user(self, name, password, admin=False):
        self.cli("user", "add", name, *(["--admin"] if admin else []), "--password-stdin",
                 stdin=password + "\n")

    def client(self, name, password=None):
        return oci.Client(self, name, password or PASSWORDS[name])

    # ---- the process ----

    def command(self):
        listen = [word for address in self.listen for word in ("--listen", address)]
        plain = [] if self.tls else ["--plain-http"]
        return [binary(), "serve", "--data", self.data, *listen, *plain, *self.args]

    def spawn(self):
        """Starts the process without waiting for it to be ready."""
        self.lines, self.addresses = [], []
        self.process = subprocess.Popen(
            self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=self.env, preexec_fn=die_with_parent,
        )
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def start(self, timeout=30):
        self.spawn()
        self.wait_log(lambda line: len(self.addresses) == len(self.listen), timeout, "ready line")
        # A restart comes back at the same place, as a real one does; clients keep their URLs.
        self.listen = [f"[{h}]:{p}" if ":" in h else f"{h}:{p}" for h, p in self.addresses]
        return self

    def _read(self, stream):
        with open(self.log_path, "ab") as log:
            for raw in stream:
                log.write(raw)
                log.flush()
                line = raw.decode(errors="replace").rstrip("\n")
                with self._changed:
                    found = re.search(r"listening on (https?)://(\[[0-9a-f:]+\]|[0-9.]+):(\d+)", line)
                    if found:
                        self.addresses.append((found[2].strip("[]"), int(found[3])))
                    self.lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_log(self, wanted, timeout=20, what=None):
        """Waits for a line of the log: a regex, or a function of the line. Returns the line."""
        test = wanted if callable(wanted) else re.compile(wanted).search
        seen, found = 0, []

        def look():
            nonlocal seen
            while seen < len(self.lines):
                if test(self.lines[seen]):
                    found.append(self.lines[seen])
                    return True
                seen += 1
            return self.process.poll() is not None and not self._reader.is_alive()

        with self._changed:
            self._changed.wait_for(look, timeout)
        if not found:
            state = "running" if self.process.poll() is None else f"exit {self.process.returncode}"
            raise AssertionError(f"no {what or wanted} in the log ({state}):\n" + "\n".join(self.lines[-20:]))
        return found[0]

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, timeout=30):
        """SIGTERM; returns the exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(timeout)
        self._reader.join(5)
        return code

    def kill(self):
        """kill -9 and reap."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            self._reader.join(5)

    def restart(self):
        self.stop_cleanly()
        self.start()

    def stop_cleanly(self):
        code = self.stop()
        alarms = [line for line in self.lines if ALARMS.search(line)]
        if code != 0 or alarms:
            at = self.lines.index(alarms[0]) if alarms else max(0, len(self.lines) - 15)
            raise AssertionError(f"exit code {code}:\n" + "\n".join(self.lines[at:at + 40]))

    # ---- its address ----

    @property
    def address(self):
        return self.addresses[0]

    @property
    def host(self):
        """HOST:PORT, as a client names the registry."""
        return "%s:%d" % self.address

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://{self.host}"

    @property
    def ca_path(self):
        return os.path.join(self.data, "tls", "ca.pem")

    def tls_context(self):
        return ssl.create_default_context(cafile=self.ca_path) if self.tls else None

    def connect(self, timeout=20.0, address=None):
        return Conn(address or self.address, self.tls_context(), timeout, server_name="127.0.0.1")

    # ---- what it uses ----

    def rss_kib(self, field="VmRSS"):
        with open(f"/proc/{self.pid}/status") as status:
            return int(re.search(field + r":\s+(\d+) kB", status.read())[1])

    def fd_count(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def metrics(self):
        """The samples of /metrics: {'name{labels}': value}."""
        reply = self.anonymous.request("GET", "/metrics").expect(200)
        samples = {}
        for line in reply.body.decode().splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples
