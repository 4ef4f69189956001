"""Error messages about files, in one line."""

import errno
from collections.abc import Iterable

REASONS = {
    errno.ENOENT: "there is no such file",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.EROFS: "the disk is read-only",
    errno.ENOSPC: "no space left on the disk; free some and try again",
    errno.EDQUOT: "the disk quota is used up; free some space and try again",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "a part of its path is a file, not a folder",
    errno.EFBIG: "it is larger than the system allows",
    errno.ENAMETOOLONG: "its name is too long",
}


def reason(error: Exception) -> str:
    """Describe the cause of an error, without the path, which the message contains already."""
    number = getattr(error, "errno", None) or 0
    return REASONS.get(number) or getattr(error, "strerror", None) or str(error) or type(error).__name__


def printable(text: str) -> str:
    """Escape line breaks and control characters, so that no file name breaks a line or commands a terminal."""
    return "".join(sign if sign == " " or sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def one_line(parts: Iterable[object]) -> str:
    """Join parts to one line, without line breaks of file names or foreign messages."""
    return " ".join(" ".join(str(part).split()) for part in parts)
