"""What every integration test stands on; Python's standard library only.

A test file is a program that prints TAP:

    from harness import *

    reg = Registry()                      # a server of its own in a fresh directory, port 0

    @test
    def T16_empty_session_range_is_0_0():
        up = reg.alice.start_upload("alice/app")
        eq(up.response.get("range"), "0-0")

    main(reg)
"""

from .oci import *
from .registry import *
from .tap import *
from .wire import *
