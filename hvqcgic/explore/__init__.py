"""The local page of `hvqcgic explore`: a picture coded anew at every move of a slider, and what its file holds.

In: a codec, a picture or a `.hvq` file, requests of a browser on this machine. Out: answers; nothing is kept.
May import: `codec` and what it imports, `pages`.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.explore.codecs import Codecs as Codecs
    from hvqcgic.explore.limits import DEFAULT_MAX_PIXELS as DEFAULT_MAX_PIXELS
    from hvqcgic.explore.limits import Limits as Limits
    from hvqcgic.explore.loopback import bind as bind
    from hvqcgic.explore.loopback import open_browser as open_browser
    from hvqcgic.explore.server import Server as Server
    from hvqcgic.explore.subject import Subject as Subject
    from hvqcgic.explore.subject import read_subject as read_subject
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "codecs": ["Codecs"],
            "limits": ["DEFAULT_MAX_PIXELS", "Limits"],
            "loopback": ["bind", "open_browser"],
            "server": ["Server"],
            "subject": ["Subject", "read_subject"],
        },
    )
