"""Exit codes of the commands and programs of this package."""

import signal

DONE = 0
SOME_FAILED = 1
USAGE = 2
"""A failure of a call with one file is a usage error (2); a failure of some of several files is not (1)."""

CRASHED = 2
"""A worker process died, for a reason outside the files."""

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM
