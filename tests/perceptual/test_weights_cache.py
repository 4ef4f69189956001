"""Weights of published networks: from the cache, else downloaded, else one line."""

import hashlib
from pathlib import Path

import pytest

from hvqcgic.perceptual.weights_cache import WeightsMissing, cached_path, fetch_weights


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_what_is_there_is_taken_as_it_is() -> None:
    path = cached_path("https://example.invalid/models/net-0123abcd.pth")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    assert fetch_weights("https://example.invalid/models/net-0123abcd.pth", "net") == path


def test_what_is_not_there_is_fetched_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = b"some weights"
    name = f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth.tar"
    (tmp_path / name).write_bytes(content)
    path = fetch_weights((tmp_path / name).as_uri(), "net")
    assert path == cached_path(name)
    assert path.read_bytes() == content
    assert "downloading" in capsys.readouterr().err
    wrong = tmp_path / "net-00000000.pth"
    wrong.write_bytes(content)
    with pytest.raises(WeightsMissing, match="invalid hash value"):
        fetch_weights(wrong.as_uri(), "net")
    assert not cached_path(wrong.name).exists()


def test_what_cannot_be_had_is_one_line_with_the_way_out(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(WeightsMissing) as caught:
        fetch_weights((tmp_path / "nothing.pth").as_uri(), "net of somebody")
    for part in ("no net of somebody weights", str(cache), "nothing.pth", "TORCH_HOME"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
