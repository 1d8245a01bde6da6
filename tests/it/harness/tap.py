"""Tests as functions, results as TAP version 13."""

import atexit
import os
import signal
import sys
import time
import traceback

__all__ = ["test", "skip", "main", "eq", "one_of", "check", "matches", "wait_until", "at_exit"]

_tests = []
_cleanups = []


class Skip(Exception):
    pass


def test(function):
    """Registers a test; its name is the sentence that is reported."""
    _tests.append((function.__name__, function))
    return function


def skip(reason):
    raise Skip(reason)


def eq(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what + ': ' if what else ''}got {_short(got)}, want {_short(want)}")


def one_of(got, wanted, what=""):
    if got not in wanted:
        raise AssertionError(f"{what + ': ' if what else ''}got {_short(got)}, want one of {wanted}")


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def matches(regex, text, what=""):
    import re

    if text is None or not re.search(regex, text):
        raise AssertionError(f"{what + ': ' if what else ''}{_short(text)} does not match {regex!r}")


def _short(value):
    text = repr(value)
    return text if len(text) < 400 else text[:400] + "..."


def wait_until(condition, what, timeout=20.0):
    """Polls what no event tells us about (another process's files, a metric)."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.02)


def at_exit(function):
    """Runs in reverse order at the end, also after SIGTERM from the runner."""
    _cleanups.append(function)


@atexit.register
def _clean_up():
    while _cleanups:
        try:
            _cleanups.pop()()
        except Exception:  # noqa: the other cleanups still have to run
            traceback.print_exc()


def _terminated(signum, _frame):
    sys.exit(128 + signum)


def main(*registries):
    """Runs the registered tests (or those whose name contains an argument), ends the program."""
    signal.signal(signal.SIGTERM, _terminated)
    signal.signal(signal.SIGINT, _terminated)
    wanted = sys.argv[1:]
    chosen = [(n, f) for n, f in _tests if not wanted or any(w in n for w in wanted)]
    for registry in registries:
        chosen.append(("server_ends_with_0_and_says_nothing_alarming", registry.stop_cleanly))
    print(f"TAP version 13\n1..{len(chosen)}", flush=True)
    failed = 0
    for number, (name, function) in enumerate(chosen, 1):
        start = time.monotonic()
        try:
            function()
            result, note = "ok", ""
        except Skip as reason:
            result, note = "ok", f" # SKIP {reason}"
        except (Exception, SystemExit) as failure:
            if isinstance(failure, SystemExit):
                raise
            result, note = "not ok", ""
            failed += 1
            for line in _explain(failure):
                print("#   " + line)
        took = time.monotonic() - start
        slow = f" # {took:.1f} s" if took > 2 and not note else ""
        print(f"{result} {number} - {name}{note}{slow}", flush=True)
    if failed:
        for registry in registries:
            print(f"# server log: {registry.log_path}")
        keep_dirs = os.environ.get("KEEP")
        if not keep_dirs:
            print("# (KEEP=1 keeps it)")
    sys.exit(1 if failed else 0)


def _explain(failure):
    here = [f for f in traceback.extract_tb(failure.__traceback__)]
    places = [f"{os.path.basename(f.filename)}:{f.lineno} {f.name}: {f.line}" for f in here[1:]]
    text = str(failure) or repr(failure)
    kind = "" if isinstance(failure, AssertionError) else type(failure).__name__ + ": "
    return places[-4:] + (kind + text).split("\n")
