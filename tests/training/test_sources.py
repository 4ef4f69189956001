"""Folders, tar shards, the embedded pictures, and how they are split."""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqcgic.errors import ConfigError
from hvqcgic.training.dead_leaves import dead_leaves
from hvqcgic.training.sources import FOLDER_SHARD_FILES, embedded_split, find_shards, hold_out, of_prefixes

SEVEN = tuple(f"{number}.png" for number in range(7))


def picture_bytes(value: int, size: tuple[int, int] = (40, 24)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (value, 0, 255 - value)).save(buffer, "PNG")
    return buffer.getvalue()


def write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def write_shards(folder: Path, shards: int = 2, pictures: int = 3) -> None:
    for shard in range(shards):
        members = [(f"s{shard}-{i}.png", picture_bytes(10 * shard + i)) for i in range(pictures)]
        write_tar(folder / f"train-{shard:03}.tar", [*members, (f"s{shard}-0.json", b"{}")])


def test_a_folder_is_searched_in_depth_and_cut_into_shards(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    count = FOLDER_SHARD_FILES + 2
    for i in range(count):
        (tmp_path / "deep" / f"{i:03}.png").write_bytes(picture_bytes(i))
    (tmp_path / "notes.txt").write_text("not a picture")
    shards = find_shards(str(tmp_path))
    assert [len(shard.names) for shard in shards] == [FOLDER_SHARD_FILES, 2]
    last = shards[1].read()
    assert [picture.shape for picture in last] == [(24, 40, 3)] * 2
    assert [int(picture[0, 0, 0]) for picture in last] == [count - 2, count - 1]


@pytest.mark.parametrize("pattern", ["", "train-*.tar", "train-{000..001}.tar"])
def test_tar_shards_by_folder_and_by_pattern(tmp_path: Path, pattern: str) -> None:
    write_shards(tmp_path)
    shards = find_shards(str(tmp_path / pattern) if pattern else str(tmp_path))
    assert [shard.names for shard in shards] == [
        ("s0-0.png", "s0-1.png", "s0-2.png"),
        ("s1-0.png", "s1-1.png", "s1-2.png"),
    ]
    assert [int(picture[0, 0, 0]) for shard in shards for picture in shard.read()] == [0, 1, 2, 10, 11, 12]


def test_nothing_there_is_said_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent.*no such file or folder"):
        find_shards(str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match="no pictures there"):
        find_shards(str(tmp_path))


def test_a_file_that_is_no_tar_and_one_that_is_cut_off_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.tar").write_text("hello " * 500)
    with pytest.raises(ConfigError, match=r"text\.tar: broken tar file"):
        find_shards(str(tmp_path / "text.tar"))
    whole = write_tar(tmp_path / "whole.tar", [(f"{i}.png", bytes(5000)) for i in range(4)])
    (shard,) = find_shards(str(whole))
    whole.write_bytes(whole.read_bytes()[:9000])
    with pytest.raises(ConfigError, match=r"whole\.tar: broken tar file"):
        shard.read()


def test_unreadable_pictures_are_left_out_with_one_warning(tmp_path: Path) -> None:
    members = [("a.png", picture_bytes(1)), ("b.png", b"no picture"), ("c.png", b""), ("d.png", picture_bytes(2))]
    (shard,) = find_shards(str(write_tar(tmp_path / "some.tar", members)))
    with pytest.warns(UserWarning, match=r"some\.tar: 2 unreadable pictures left out, the first is b\.png"):
        pictures = shard.read()
    assert [int(picture[0, 0, 0]) for picture in pictures] == [1, 2]


@pytest.mark.parametrize(("pictures", "wanted", "held"), [(40, 16, 8), (40, 3, 3), (4, 16, 1)])
def test_held_out_pictures_are_unseen(tmp_path: Path, pictures: int, wanted: int, held: int) -> None:
    write_shards(tmp_path, shards=2, pictures=pictures)
    split, read = hold_out(find_shards(str(tmp_path)), wanted)
    assert len(read) == held
    train = {name for shard in split.train for name in shard.names}
    val = {name for shard in split.val for name in shard.names}
    assert len(val) == held
    assert not train & val
    assert len(train | val) == 2 * pictures


@pytest.mark.parametrize("tar", [False, True])
@pytest.mark.parametrize("bad", [["0.png"], ["0.png", "1.png"], ["0.png", "3.png"]])
def test_held_out_pictures_can_be_read(tmp_path: Path, tar: bool, bad: list[str]) -> None:
    members = [(name, b"broken" if name in bad else picture_bytes(i)) for i, name in enumerate(SEVEN)]
    if tar:
        write_tar(tmp_path / "x.tar", members)
    else:
        for name, data in members:
            (tmp_path / name).write_bytes(data)
    with pytest.warns(UserWarning, match=r"1 unreadable pictures left out, the first is \d\.png"):
        split, pictures = hold_out(find_shards(str(tmp_path)), 4)
    held = [name for shard in split.val for name in shard.names]
    assert [int(picture[0, 0, 0]) for picture in pictures] == [int(name[0]) for name in held]
    assert not set(held) & set(bad)
    assert len(pictures) == 1
    assert "6.png" in split.train[0].names


def test_where_no_picture_can_be_read_there_is_no_split(tmp_path: Path) -> None:
    for name in SEVEN:
        (tmp_path / name).write_bytes(b"broken")
    with (
        pytest.warns(UserWarning, match="unreadable"),
        pytest.raises(
            ConfigError, match="1 picture to train on and to validate on, without those that cannot be read; give"
        ),
    ):
        hold_out(find_shards(str(tmp_path)), 4)


def test_one_picture_cannot_be_split(tmp_path: Path) -> None:
    write_shards(tmp_path, shards=1, pictures=1)
    with pytest.raises(ConfigError, match="use --val"):
        hold_out(find_shards(str(tmp_path)), 4)


def test_the_embedded_pictures_need_no_file_but_the_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("the embedded pictures must not use the net"))
    split = embedded_split(seed=0)
    names = [{name for shard in part for name in shard.names} for part in (split.train, split.val)]
    assert not names[0] & names[1]
    assert "astronaut.png" in names[0]
    assert {"chelsea.png", "coffee.png"} <= names[1]
    pictures = [picture for shard in split.val for picture in shard.read()]
    assert pictures[0].shape == (300, 451, 3)
    assert all(picture.dtype == np.uint8 and picture.std() > 20 for picture in pictures)


def test_dead_leaves_follow_from_their_seed() -> None:
    first, again, other = (dead_leaves(64, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.shape == (64, 64, 3)


@pytest.mark.parametrize("tar", [False, True])
def test_pictures_are_chosen_by_the_prefix_of_their_names(tmp_path: Path, tar: bool) -> None:
    names = ["cats-0001.png", "cats-0002.png", "dogs-x-0001.png", "dogs-0001.png", "0001.png"]
    for place, name in enumerate(names):
        if tar:
            write_tar(tmp_path / f"{place}.tar", [(name, picture_bytes(place)), (f"sub/{name}", picture_bytes(place))])
        else:
            (tmp_path / "sub").mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(picture_bytes(place))
            (tmp_path / "sub" / name).write_bytes(picture_bytes(place))
    shards = find_shards(str(tmp_path))
    chosen = of_prefixes(shards, ["cats", "dogs-x"], source="here")
    assert sorted(int(picture[0, 0, 0]) for shard in chosen for picture in shard.read()) == [0, 0, 1, 1, 2, 2]
    with pytest.raises(
        ConfigError, match=r"^here: no picture of prefix birds, dog; its prefixes are cats, dogs, dogs-x$"
    ):
        of_prefixes(shards, ["birds", "cats", "dog"], source="here")


def test_where_no_name_has_a_prefix_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(picture_bytes(1))
    with pytest.raises(ConfigError, match="no picture of prefix cats; no name of its pictures has a prefix"):
        of_prefixes(find_shards(str(tmp_path)), ["cats"], source=str(tmp_path))
