"""A port of this machine, and the browser that is shown its address; without torch and the packages of the server."""

from __future__ import annotations

import errno
import os
import socket
import threading
import webbrowser
from collections.abc import Callable

from hvqcgic.errors import ConfigError
from hvqcgic.files import reason

LOOPBACK = "127.0.0.1"


def bind(port: int = 0) -> socket.socket:
    """Reserve a port of the loopback address.

    Args:
        port: from 1 to 65535; 0 for a free one.

    Raises:
        ConfigError: the port is in use, or not allowed.
    """
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # A port of a server that has just ended is free again; elsewhere this would share a port in use.
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((LOOPBACK, port))
        # A port is in use from here on.
        found.listen(128)
    except (OSError, OverflowError) as error:
        found.close()
        number = getattr(error, "errno", None)
        why = "is in use" if number == errno.EADDRINUSE else f"cannot be had ({reason(error)})"
        raise ConfigError(f"port {port} of {LOOPBACK} {why}; give another --port, or none for a free one") from error
    return found


def open_browser(address: str, complain: Callable[[str], None]) -> None:
    """Open an address in the user's browser; say so if there is none. Returns at once."""

    def work() -> None:
        try:
            browser = webbrowser.get()
            # Without BROWSER, this kind is a browser within the terminal, which would take it over and run no script.
            if type(browser) is webbrowser.GenericBrowser and "BROWSER" not in os.environ:
                raise webbrowser.Error
            if browser.open(address):
                return
        except (webbrowser.Error, OSError):
            pass
        complain("no browser could be opened here; open the address above in one on this machine")

    threading.Thread(target=work, name="hvqcgic-explore-browser", daemon=True).start()
