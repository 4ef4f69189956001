"""Shards for tests: small pictures in tar files, and a web server that counts what it is asked for."""

import hashlib
import io
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image

from hvqcgic.pictures.shards import INDEX_SUFFIX, Member, ShardIndex, pack_tar


def picture_bytes(value: int, size: tuple[int, int] = (40, 24)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (value, 0, 255 - value)).save(buffer, "PNG")
    return buffer.getvalue()


def write_shard(path: Path, members: Sequence[tuple[str, bytes]], *, indexed: bool = True) -> Path:
    data = pack_tar(Member(*member) for member in members)
    path.write_bytes(data)
    if indexed:
        names = tuple(name for name, _ in members)
        index = ShardIndex(names, len(data), hashlib.sha256(data).hexdigest())
        path.with_name(path.name + INDEX_SUFFIX).write_bytes(index.pack())
    return path


def write_shards(folder: Path, shards: int, pictures: int, *, indexed: bool = True) -> Path:
    """`train-000.tar` and so on, with pictures 0, 1, ... of shard s all of red 10 s + i; returns the folder."""
    folder.mkdir(exist_ok=True)
    for shard in range(shards):
        members = [(f"s{shard}-{i}.png", picture_bytes(10 * shard + i)) for i in range(pictures)]
        write_shard(folder / f"train-{shard:03}.tar", members, indexed=indexed)
    return folder


class Handler(SimpleHTTPRequestHandler):
    """Counts what is asked for, and says nothing."""

    def do_GET(self) -> None:
        self.server.asked[self.path] += 1  # pyright: ignore[reportAttributeAccessIssue]
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, Counter[str]]]:
    """The address of a web server of a folder, and how often each file was asked for."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        server.asked = Counter()  # pyright: ignore[reportAttributeAccessIssue]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", server.asked  # pyright: ignore[reportAttributeAccessIssue]
        finally:
            server.shutdown()
            thread.join()
