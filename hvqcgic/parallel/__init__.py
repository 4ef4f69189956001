"""Small pieces of work side by side: threads of one process that each compute alone.

In: functions and their parts. Out: their effects, in any order.
May import: `errors` and PyTorch only.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.parallel.threads import MOST_THREADS as MOST_THREADS
    from hvqcgic.parallel.threads import each_in_threads as each_in_threads
    from hvqcgic.parallel.threads import one_thread as one_thread
    from hvqcgic.parallel.threads import threads_for as threads_for
    from hvqcgic.parallel.threads import workers as workers
else:
    __getattr__, __dir__ = lazy_exports(
        __name__, {"threads": ["MOST_THREADS", "each_in_threads", "one_thread", "threads_for", "workers"]}
    )
