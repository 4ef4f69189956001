"""What the commands and programs of this package end with."""

import signal

DONE, SOME_FAILED, USAGE = 0, 1, 2
"""A call about one file that fails is a usage error; a failure among several is not."""

CRASHED = 2
"""Where a worker process died: something other than the files is wrong."""

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM
