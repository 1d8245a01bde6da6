"""HTTP/1.1 by hand, so that a test can send what no library would and see what really came back."""

import json as _json
import socket
import ssl

__all__ = ["Conn", "Response", "WireError", "ConnectionEnded", "request_bytes", "chunked"]


class WireError(Exception):
    """The reply was not HTTP/1.1 as RFC 9112 wants it."""


class ConnectionEnded(WireError):
    """The server closed before a whole reply."""


class Response:
    def __init__(self, status, reason, headers, body, framing):
        self.status, self.reason, self.headers = status, reason, headers
        self.body, self.framing = body, framing  # framing: none, length, chunked, close
        self.informational = []

    def get(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def json(self):
        return _json.loads(self.body)

    def error_codes(self):
        return [e["code"] for e in self.json()["errors"]]

    def expect(self, *statuses):
        if self.status not in statuses:
            raise AssertionError(f"want {'/'.join(map(str, statuses))}, got {self}")
        return self

    def expect_error(self, status, *codes):
        """The status and an OCI error body with one of the codes."""
        statuses = status if isinstance(status, tuple) else (status,)
        self.expect(*statuses)
        kind = self.get("content-type", "")
        if kind.split(";")[0] != "application/json":
            raise AssertionError(f"error body is not JSON: {self}")
        for error in self.json()["errors"]:
            if not isinstance(error["code"], str) or not isinstance(error["message"], str):
                raise AssertionError(f"code and message are texts: {self}")
        if codes and self.error_codes()[0] not in codes:
            raise AssertionError(f"want {'/'.join(codes)}: {self}")
        return self

    def __str__(self):
        lines = [f"{self.status} {self.reason}"] + [f"  {n}: {v}" for n, v in self.headers]
        return "\n".join(lines) + f"\n  [{len(self.body)} bytes] {self.body[:300]!r}"


def request_bytes(method, target, headers=(), body=b"", host="test", version="1.1"):
    """A request as sent; Host and, for a body, Content-Length are added when not given."""
    names = {n.lower() for n, _ in headers}
    lines = [f"{method} {target} HTTP/{version}"]
    if "host" not in names:
        lines.append(f"Host: {host}")
    lines += [f"{n}: {v}" for n, v in headers]
    if (body or method in ("POST", "PUT", "PATCH")) and not names & {
        "content-length",
        "transfer-encoding",
    }:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def chunked(pieces):
    """The pieces in chunked coding."""
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces if p) + b"0\r\n\r\n"


class Conn:
    """One connection. `address` is (host, port); `tls` an SSLContext or None."""

    def __init__(self, address, tls=None, timeout=20.0, server_name="localhost"):
        self.sock = socket.create_connection(address, timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.sock = tls.wrap_socket(self.sock, server_hostname=server_name)
        self.pending = b""
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.ended = True
        self.sock.close()

    def reset(self):
        """Ends with a TCP reset, as a crashed client does."""
        import struct

        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def send(self, data):
        self.sock.sendall(data)

    def request(self, method, target, headers=(), body=b"", **keywords):
        try:
            self.send(request_bytes(method, target, headers, body, **keywords))
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            if not self.pending:  # an early answer may still be there to be read
                self._fill_quietly()
        return self.response(method)

    def _fill_quietly(self):
        try:
            self.pending += self.sock.recv(65536)
        except OSError:
            pass

    def _fill(self):
        try:
            got = self.sock.recv(262144)
        except (ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError) as why:
            self.ended = True
            raise ConnectionEnded(str(why)) from why
        if not got:
            self.ended = True
            raise ConnectionEnded("end of stream")
        self.pending += got

    def _take(self, count):
        if len(self.pending) < count:
            parts, have = [self.pending], len(self.pending)
            while have < count:
                self.pending = b""
                self._fill()
                parts.append(self.pending)
                have += len(self.pending)
            self.pending = b"".join(parts)
        got, self.pending = self.pending[:count], self.pending[count:]
        return got

    def _line(self):
        while b"\n" not in self.pending:
            self._fill()
        line, self.pending = self.pending.split(b"\n", 1)
        if not line.endswith(b"\r"):
            raise WireError(f"line without CR: {line!r}")
        return line[:-1].decode("latin-1")

    def head(self):
        """Status line and fields of the next reply: (status, reason, headers)."""
        parts = self._line().split(" ", 2)
        if parts[0] != "HTTP/1.1" or len(parts) < 2:
            raise WireError(f"not a status line: {parts}")
        headers = []
        while True:
            line = self._line()
            if not line:
                break
            name, colon, value = line.partition(":")
            if not colon or name != name.strip() or not name:
                raise WireError(f"not a header field: {line!r}")
            headers.append((name, value.strip()))
        return int(parts[1]), parts[2] if len(parts) > 2 else "", headers

    def response(self, method="GET"):
        """The next final reply, whole; 1xx replies are kept in `.informational`."""
        informational = []
        while True:
            status, reason, headers = self.head()
            if status >= 200:
                break
            informational.append(status)
        fields = [(n.lower(), v) for n, v in headers]
        lengths = [v for n, v in fields if n == "content-length"]
        codings = [v.lower() for n, v in fields if n == "transfer-encoding"]
        if len(lengths) > 1 or (lengths and codings):
            raise WireError(f"ambiguous framing: {headers}")
        if method == "HEAD" or status in (204, 304):
            if status == 204 and (lengths or codings):
                raise WireError("204 with a length (RFC 9110 section 8.6)")
            body, framing = b"", "none"
        elif codings:
            if codings != ["chunked"]:
                raise WireError(f"unknown coding {codings}")
            body, framing = self._chunked_body(), "chunked"
        elif lengths:
            body, framing = self._take(int(lengths[0])), "length"
        else:
            body, framing = self._rest(), "close"
        reply = Response(status, reason, headers, body, framing)
        reply.informational = informational
        if any(n == "connection" and v.lower() == "close" for n, v in fields):
            self.ended = True
        return reply

    def _chunked_body(self):
        parts = []
        while True:
            size = int(self._line().split(";")[0], 16)
            if size == 0:
                while self._line():
                    pass
                return b"".join(parts)
            parts.append(self._take(size))
            if self._take(2) != b"\r\n":
                raise WireError("chunk without CRLF")

    def _rest(self):
        while True:
            try:
                self._fill()
            except ConnectionEnded:
                break
        got, self.pending = self.pending, b""
        return got

    def at_end(self, timeout=10.0):
        """True when the server closes without sending more, within the time."""
        self.sock.settimeout(timeout)
        try:
            return not self.pending and self.sock.recv(1) == b""
        except (ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return True
        except TimeoutError:
            return False
