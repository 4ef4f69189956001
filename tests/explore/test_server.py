"""The server as a browser meets it: who is let in, what comes back, what is refused and how."""

import base64
import io
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqcgic.bitstream import MODES, read_fingerprint
from hvqcgic.codec import Codec
from hvqcgic.errors import ConfigError
from hvqcgic.explore import Limits, Subject, bind
from tests.explore.running import Client, Got, running
from tests.random_model import random_picture

WIDTH, HEIGHT = 96, 80
PIXELS = random_picture(WIDTH, HEIGHT, seed=4)
GOLDEN = Path(__file__).parents[1] / "golden"
SUBJECT = Subject("some.png", WIDTH, HEIGHT, pixels=PIXELS)


@pytest.fixture(scope="module")
def client(codec: Codec) -> Iterator[Client]:
    with running(codec, limits=Limits(max_pixels=20_000, max_bytes=200_000, pages=3), subject=SUBJECT) as found:
        yield found


@pytest.fixture
def page(client: Client) -> str:
    return f"pages/{client.new_page()}"


def image_of(got: Got) -> Image.Image:
    assert got.status == 200, got.body
    return Image.open(io.BytesIO(got.body)).convert("RGB")


def test_only_the_address_that_was_printed_is_answered(client: Client) -> None:
    assert client.get("").status == 200
    wrong = "/" + "x" * len(client.base.strip("/")) + "/"
    for path in ("/", "/favicon.ico", "/pages", wrong, client.base[:-2] + "/", f"/{client.base}", "/%ff/"):
        for method in ("GET", "POST"):
            got = client.ask(method, path)
            assert (got.status, b"lacks the token" in got.body) == (403, True), path
    for host in ("example.com", f"example.com:{client.place.split(':')[1]}", "127.0.0.1", ""):
        got = client.get("", Host=host)
        assert (got.status, b"not that of hvqcgic explore" in got.body) == (403, True), host
    assert client.get("", Host=client.place.replace("127.0.0.1", "localhost")).status == 200


def test_an_address_without_its_last_slash_leads_to_the_page(client: Client) -> None:
    got = client.ask("GET", client.base.rstrip("/"))
    assert (got.status, got.headers["location"]) == (307, client.base)
    assert got.headers["referrer-policy"] == "no-referrer"


def test_pages_may_load_nothing_from_elsewhere_and_keep_nothing(client: Client) -> None:
    for path in ("", "assets/explore.js", "assets/stage.js", "assets/base.css", "nothing"):
        got = client.get(path)
        assert got.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert got.headers["cache-control"] == "no-store"
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["referrer-policy"] == "no-referrer"
    assert "http" not in client.get("").body.decode()
    for path in ("assets/", "assets/report.css", "assets/../limits.py", "assets/..%2Flimits.py", "assets"):
        assert client.get(path).status == 404


def test_a_picture_is_coded_as_the_codec_does_it(client: Client, page: str, codec: Codec) -> None:
    start = client.post("pages").json
    assert start["subject"] == {"name": "some.png", "width": WIDTH, "height": HEIGHT, "is_file": False}
    assert start["models"][0]["name"] == "random"
    assert start["modes"] == list(MODES)
    ratios = (0.5, 0.25, 0.25)
    got = client.post(f"{page}/code", {"model": "random", "ratios": ratios}).json
    data = codec.compress(PIXELS, ratios=ratios)
    views = f"{page}/results/{got['number']}"
    saved = client.get(f"{views}/file")
    assert saved.body == data
    assert saved.headers["content-disposition"] == "attachment; filename*=UTF-8''some.hvq"
    decoded = np.asarray(codec.decompress(data))
    for view in ("decoded", "png"):
        assert np.array_equal(np.asarray(image_of(client.get(f"{views}/{view}"))), decoded)
    assert (got["bytes"], got["bpp"]) == (len(data), 8 * len(data) / PIXELS[..., 0].size)
    assert sum(got["parts"].values()) == pytest.approx(8 * len(data))
    assert np.array_equal(np.asarray(image_of(client.get(f"{page}/original"))), PIXELS)


def test_a_bit_rate_is_met_or_the_nearest_is_taken_with_a_word(client: Client, page: str) -> None:
    first = client.post(f"{page}/code", {"model": "random", "bpp": 0.6}).json
    low, high = client.get(f"{page}/results/{first['number']}/range").json["bpp"]
    assert low < high
    middle = (low + high) / 2
    got = client.post(f"{page}/code", {"model": "random", "bpp": middle}).json
    assert abs(got["bytes"] - middle * WIDTH * HEIGHT / 8) <= max(16, 0.01 * got["bytes"])
    assert got["clamped"] == ""
    most = client.post(f"{page}/code", {"model": "random", "bpp": 20}).json
    assert most["bpp"] == pytest.approx(high, abs=0.01)
    assert "20 bpp cannot be reached" in most["clamped"]


def test_views_of_a_coded_picture(client: Client, page: str, codec: Codec) -> None:
    got = client.post(f"{page}/code", {"model": "random", "bpp": 0.6}).json
    views = f"{page}/results/{got['number']}"
    for view in ("map", "bits"):
        assert image_of(client.get(f"{views}/{view}")).size == (WIDTH, HEIGHT)
    sizes = client.get(f"{views}/modes").json["sizes"]
    assert list(sizes) == list(MODES)
    assert sizes["adaptive"] == got["bytes"]
    data = client.get(f"{views}/file").body
    for k in (1, got["passes"]):
        answer = client.get(f"{views}/pass/{k}")
        seen = codec.preview(data, max_passes=k)
        assert np.array_equal(np.asarray(image_of(answer)), np.asarray(seen.picture))
        assert answer.facts == {"name": seen.passes[-1], "bytes": seen.bytes_read, "share": seen.share_read}
    for rival in got["rivals"]:
        answer = client.get(f"{views}/rival/{rival['name']}")
        assert image_of(answer).size == (WIDTH, HEIGHT)
        assert answer.facts["fits"] == (answer.facts["bytes"] <= got["bytes"])
        assert answer.facts["metrics"]["psnr_db"] > 5
    assert client.get(f"{views}/quality").json["metrics"]["psnr_db"] == got["metrics"]["psnr_db"]


def test_regions_get_finer_cells_at_the_same_rate(client: Client, page: str) -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:32, :32] = 255
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    asked = {"model": "random", "ratios": [1 / 7, 2 / 7, 4 / 7]}
    shares = []
    for text in (None, base64.b64encode(buffer.getvalue()).decode()):
        got = client.post(f"{page}/code", {**asked, "mask": text}).json
        drawn = np.asarray(image_of(client.get(f"{page}/results/{got['number']}/map")))[:32, :32]
        shares.append(float((drawn[..., 0] > drawn[..., 2]).mean()))
        assert got["regions"] == (text is not None)
    assert shares[1] > max(0.9, shares[0])
    refused = client.post(f"{page}/code", {**asked, "mask": "abcd"})
    assert (refused.status, refused.json) == (400, {"error": "request.mask: is no PNG"})


@pytest.mark.parametrize("coding", ["adaptive", "static-huffman"])
def test_a_file_shows_what_it_holds(client: Client, page: str, codec: Codec, coding: str) -> None:
    data = codec.compress(PIXELS, coding=coding)
    opened = client.post(f"{page}/open?name=x%2Fy.hvq", data)
    assert opened.json == {"name": "y.hvq", "width": WIDTH, "height": HEIGHT, "is_file": True}
    got = client.post(f"{page}/code", {"model": "random"}).json
    assert (got["bytes"], got["coding"], got["is_file"]) == (len(data), coding, True)
    assert sum(got["parts"].values()) == pytest.approx(8 * len(data))
    assert (got["metrics"], got["rivals"], bool(got["passes"])) == ({}, [], coding == "adaptive")
    views = f"{page}/results/{got['number']}"
    decoded = np.asarray(image_of(client.get(f"{views}/decoded")))
    assert np.array_equal(decoded, np.asarray(codec.decompress(data)))
    assert image_of(client.get(f"{views}/bits")).size == (WIDTH, HEIGHT)
    assert client.get(f"{views}/modes").json["sizes"][coding] == len(data)
    assert client.get(f"{views}/file").body == data
    assert client.get(f"{page}/original").status == 404


def test_a_file_of_an_unknown_model_is_refused_and_the_old_picture_stays(client: Client, page: str) -> None:
    data = (GOLDEN / "v1" / "decoder-prior" / "dot.adaptive.hvq").read_bytes()
    number = client.post(f"{page}/code", {"model": "random"}).json["number"]
    got = client.post(f"{page}/open?name=dot.hvq", data)
    assert (got.status, got.json["error"]) == (
        400,
        f"dot.hvq: made with a model of fingerprint {read_fingerprint(data).hex()}, which is not offered here; "
        "start hvqcgic explore with its file: --model",
    )
    assert client.get(f"{page}/results/{number}/file").status == 200


def test_what_cannot_be_opened_leaves_the_page_as_it_was(client: Client, page: str, codec: Codec) -> None:
    large = io.BytesIO()
    Image.new("RGB", (200, 101)).save(large, "PNG")
    whole = codec.compress(PIXELS)
    broken = bytearray(whole)
    broken[len(whole) // 2] ^= 1
    for data, status, told in (
        (large.getvalue(), 400, "x: 200 x 101 pixels: at most 65536 a side and 20000 in all are taken"),
        (bytes(broken), 400, "x: "),
        (whole[:40], 400, "x: "),
        (b"", 400, "x: is empty"),
        (b"text", 400, "x: not a picture"),
        (bytes(200_001), 413, "more than 200000 bytes"),
    ):
        got = client.post(f"{page}/open?name=x", data)
        assert got.status == status, got.body
        assert told in got.json["error"]
        assert "\n" not in got.json["error"]
    assert client.post(f"{page}/code", {"model": "random", "bpp": 0.5}).json["width"] == WIDTH


def test_a_body_of_unknown_length_is_cut_at_the_limit(client: Client, page: str) -> None:
    with socket.create_connection(("127.0.0.1", int(client.place.rpartition(":")[2]))) as line:
        head = f"POST {client.base}{page}/open?name=x HTTP/1.1\r\nHost: {client.place}\r\n"
        line.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        piece = b"10000\r\n" + bytes(0x10000) + b"\r\n"
        for _ in range(4):
            line.sendall(piece)
        assert b" 413 " in line.recv(100)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"model": "nope"}, "model 'nope' is not offered here; use random, tiny"),
        ({"model": "random", "coding": "morse"}, "coding 'morse' is unknown"),
        ({"model": "random", "bpp": 0.1, "ratios": [1, 0, 0]}, "two targets"),
        ({"model": "random", "ratios": [1, 1, 1]}, "must sum to 1"),
        ([], "request"),
    ],
)
def test_what_cannot_be_coded_is_said_in_one_line(client: Client, page: str, asked: object, told: str) -> None:
    got = client.post(f"{page}/code", asked)
    assert got.status == 400
    assert told in got.json["error"]


def test_unknown_views_pages_and_methods(client: Client, page: str) -> None:
    number = client.post(f"{page}/code", {"model": "random", "bpp": 0.5}).json["number"]
    for view in ("nope", "pass", "pass/0", "pass/99", "pass/x", "rival/gif", "decoded/1", "steps/1", "steps/-1"):
        got = client.get(f"{page}/results/{number}/{view}")
        assert got.status == 400, view
        assert "\n" not in got.json["error"]
    assert client.get(f"{page}/results/999/decoded").status == 410
    assert client.get("pages/nope").json["gone"]
    assert client.get(f"{page}/code").status == 405
    assert client.post(f"{page}/results/{number}/decoded").status == 405


def test_old_coded_pictures_are_forgotten(client: Client, page: str) -> None:
    numbers = [client.post(f"{page}/code", {"model": "random", "bpp": bpp}).json["number"] for bpp in (0.4, 0.5, 0.6)]
    assert [client.get(f"{page}/results/{n}/decoded").status for n in numbers] == [410, 200, 200]


def test_the_oldest_page_gives_way_and_a_closed_one_too(client: Client) -> None:
    names = [client.new_page() for _ in range(4)]
    assert [client.get(f"pages/{name}").status for name in names] == [410, 200, 200, 200]
    assert "newer ones were opened" in client.post(f"pages/{names[0]}/code", {"model": "random"}).json["error"]
    assert client.post(f"pages/{names[3]}/end").status == 200
    assert client.get(f"pages/{names[3]}").status == 410
    assert client.get(f"pages/{names[2]}").status == 200


def test_of_many_requests_the_last_one_counts(client: Client, page: str) -> None:
    answers: dict[int, Got] = {}

    def ask(i: int) -> None:
        answers[i] = client.post(f"{page}/code", {"model": "random", "bpp": 0.5 + 0.01 * i})

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [got.json for got in answers.values()]
    assert {got.status for got in answers.values()} == {200}
    assert all(each.get("replaced") or each["number"] for each in found)
    assert any("number" in each for each in found)


def test_two_pages_have_their_own_pictures(client: Client, codec: Codec) -> None:
    one, two = (f"pages/{client.new_page()}" for _ in range(2))
    buffer = io.BytesIO()
    Image.fromarray(random_picture(64, 48, seed=9)).save(buffer, "PNG")
    client.post(f"{two}/open?name=other.png", buffer.getvalue())
    answers: dict[str, Got] = {}

    def code(page: str) -> None:
        answers[page] = client.post(f"{page}/code", {"model": "random", "bpp": 0.7})

    threads = [threading.Thread(target=code, args=(page,)) for page in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answers[page].json["width"] for page in (one, two)] == [WIDTH, 64]


def test_a_port_in_use_is_named() -> None:
    with bind() as taken:
        port = taken.getsockname()[1]
        assert taken.getsockname()[0] == "127.0.0.1"
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1 is in use; give another --port"):
            bind(port)
    bind(port).close()
