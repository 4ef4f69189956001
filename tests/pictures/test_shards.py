"""Shards at all kinds of places: what is read, how often, and what is said where that fails."""

import shutil
import tarfile
from pathlib import Path

import pytest

from hvqcgic.errors import ConfigError, PictureError
from hvqcgic.pictures.shards import decode, expand, list_pictures, pack_tar, read_index, read_members, shard_name
from hvqcgic.training.sources import find_shards
from tests.shard_files import picture_bytes, served, write_shard, write_shards

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl, by which webdataset fetches addresses")


def reds(source: str) -> list[int]:
    return [int(picture[0, 0, 0]) for shard in find_shards(source) for picture in shard.stream()]


@needs_curl
def test_shards_of_a_web_server_are_fetched_once(tmp_path: Path) -> None:
    with served(write_shards(tmp_path / "web", 3, 2)) as (address, asked):
        shards = find_shards(f"{address}/train-{{000..002}}.tar")
        assert [shard.names for shard in shards] == [(f"s{i}-0.png", f"s{i}-1.png") for i in range(3)]
        assert [name for name in asked if name.endswith(".tar")] == []
        assert [int(picture[0, 0, 0]) for shard in shards for picture in shard.read()] == [0, 1, 10, 11, 20, 21]
    assert set(asked.values()) == {1}
    assert len(asked) == 6


@needs_curl
def test_shards_without_an_index_are_fetched_for_their_names(tmp_path: Path) -> None:
    write_shards(tmp_path / "web", 2, 2, indexed=False)
    with served(tmp_path / "web") as (address, asked):
        with pytest.warns(UserWarning, match=r"train-000\.tar: 2 shards without an index .*make_shards\.py --index"):
            assert reds(f"{address}/train-{{000..001}}.tar") == [0, 1, 10, 11]
        assert asked["/train-000.tar"] == 2


@needs_curl
def test_a_shard_that_the_server_lacks_is_named(tmp_path: Path) -> None:
    with served(write_shards(tmp_path / "web", 1, 2)) as (address, _):
        with pytest.raises(ConfigError, match=r"^http://.*train-001\.tar: cannot be fetched: the server has no such"):
            find_shards(f"{address}/train-{{000..001}}.tar")
        (shard,) = find_shards(f"{address}/train-000.tar")
    with pytest.raises(ConfigError, match=r"train-000\.tar: cannot be fetched: nothing answers there"):
        shard.read()


def test_shards_of_a_command_are_what_it_writes(tmp_path: Path) -> None:
    write_shards(tmp_path, 2, 2)
    assert reds(f"pipe:cat {tmp_path}/train-{{000..001}}.tar") == [0, 1, 10, 11]
    with pytest.raises(ConfigError, match=r"^pipe:exit 3: cannot be fetched: the command ended with exit code 3"):
        find_shards("pipe:exit 3")
    with pytest.raises(ConfigError, match=r"broken tar file"):
        find_shards("pipe:echo no tar file at all")


@pytest.mark.parametrize("size", [2**64, 2**80])
def test_a_member_of_an_absurd_size_is_damage(tmp_path: Path, size: int) -> None:
    member = tarfile.TarInfo("a.png")
    member.size = size
    path = tmp_path / "absurd.tar"
    path.write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(ConfigError, match=r"absurd.tar: broken tar file"):
        list_pictures(str(path))
    with pytest.raises(ConfigError, match=r"absurd.tar: broken tar file"):
        list(read_members(str(path)))


def test_reading_may_stop_in_the_middle_of_what_a_command_writes(tmp_path: Path) -> None:
    members = [(f"{i}.png", picture_bytes(i, (400, 300)) + bytes(200_000)) for i in range(9)]
    place = f"pipe:cat {write_shard(tmp_path / 'big.tar', members)}"
    reading = read_members(place)
    assert next(reading).name == "0.png"
    reading.close()
    assert len(list_pictures(place)) == 9


def test_addresses_that_nothing_can_fetch_are_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match=r"^s3://b/x\.tar: nothing is known .*pipe:aws s3 cp s3://BUCKET/NAME\.tar -"):
        find_shards("s3://b/x.tar")


def test_a_missing_shard_of_a_pattern_is_named(tmp_path: Path) -> None:
    write_shards(tmp_path, 2, 1)
    with pytest.raises(ConfigError, match=r"train-002\.tar: no such file or folder"):
        expand(f"{tmp_path}/train-{{000..002}}.tar")


def test_an_index_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "x.tar", [("a.png", picture_bytes(1))])
    assert read_index(str(shard)) is not None
    shard.write_bytes(shard.read_bytes()[:-512])
    with pytest.raises(ConfigError, match=r"x\.tar: has 9728 bytes, and 10240 by its index"):
        read_index(str(shard))
    for text in ("{}", "3", '{"names": 5}', "[" * 100_000, '{"names": [], "n_bytes": ' + "[" * 5000 + "]" * 5000 + "}"):
        (tmp_path / "x.tar.json").write_text(text)
        with pytest.raises(ConfigError, match=r"x\.tar\.json: damaged index"):
            read_index(str(shard))


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("/data/train-007.tar", "train-007"),
        ("https://host/any/train-007.tar?key=1", "train-007"),
        ("pipe:aws s3 cp s3://bucket/any/train-007.tar -", "train-007"),
        ("pipe:gunzip -c old.tar.dir/train-007.tar.gz", "train-007"),
        ("pipe:make-one 7", "pipe-make-one-7"),
    ],
)
def test_the_name_of_a_shard_is_that_of_its_file(place: str, name: str) -> None:
    assert shard_name(place) == name


def test_a_tar_file_depends_on_its_members_alone(tmp_path: Path) -> None:
    members = list(read_members(str(write_shard(tmp_path / "x.tar", [("b.png", b"b"), ("a.jpg", b"a")]))))
    assert [member.name for member in members] == ["b.png", "a.jpg"]
    assert pack_tar(members) == (tmp_path / "x.tar").read_bytes()


def test_what_is_no_picture_is_said() -> None:
    with pytest.raises(PictureError, match="not a picture that Pillow can read"):
        decode(b"text")
    with pytest.raises(PictureError, match="damaged or cut short"):
        decode(picture_bytes(1, (400, 300))[:-40])
