"""Training batches: pure functions of seed and number, right pixels, the same after a resume."""

import io
import tarfile
from pathlib import Path

from hvqcgic.training.data import PictureDataModule  # isort: skip - makes torchvision importable for lightning
import lightning
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from hvqcgic.errors import ConfigError
from hvqcgic.training.crops import PicturePool

SIDE = 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve noise pictures of different sizes, some smaller than a crop."""
    path = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for i in range(12):
        height, width = generator.integers(20, 90, 2)
        pixels = generator.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(path / f"{i:02}.png")
    return path


def module(folder: Path, **changes: object) -> PictureDataModule:
    settings: dict[str, object] = {"crop_px": SIDE, "batch_size": 4, "val_pictures": 2} | changes
    made = PictureDataModule(str(folder), **settings)  # pyright: ignore[reportArgumentType]
    made.setup()
    return made


def batches(data: PictureDataModule, numbers: range) -> list[Tensor]:
    assert data.stream is not None
    return [data.stream.batch(number) for number in numbers]


def test_batches_are_crops_in_the_unit_range_and_validation_pictures_whole(folder: Path) -> None:
    data = module(folder)
    batch = batches(data, range(1))[0]
    assert batch.shape == (4, 3, SIDE, SIDE)
    assert batch.dtype == torch.float32
    assert 0 <= float(batch.min()) < 0.1
    assert 0.9 < float(batch.max()) <= 1
    pictures = list(data.val_dataloader())
    assert len(pictures) == len(data.val_dataloader()) == 1
    stored = np.asarray(Image.open(folder / "00.png"))
    assert torch.equal((pictures[0] * 255).round().to(torch.uint8), torch.from_numpy(stored.copy()).permute(2, 0, 1))


def test_a_batch_depends_on_seed_and_number_alone(folder: Path) -> None:
    first, second = module(folder), module(folder)
    ahead = batches(first, range(8))
    assert torch.equal(batches(second, range(7, 8))[0], ahead[7])
    assert torch.equal(batches(first, range(2, 3))[0], ahead[2])
    assert not torch.equal(batches(module(folder, seed=1), range(1))[0], ahead[0])


def test_every_picture_comes_once_before_any_comes_again(folder: Path) -> None:
    data = module(folder, batch_size=11)
    assert data.stream is not None
    assert data.stream._pool is not None
    for number in range(3):
        assert sorted(data.stream._chosen(data.stream._pool, 0, number, 11)) == list(range(11))


def write_noise_shards(folder: Path, shards: int, pictures: int, side: int) -> None:
    generator = np.random.default_rng(1)
    for shard in range(shards):
        with tarfile.open(folder / f"{shard:02}.tar", "w") as tar:
            for i in range(pictures):
                buffer = io.BytesIO()
                Image.fromarray(generator.integers(0, 256, (side, side, 3), np.uint8)).save(buffer, "PNG")
                info = tarfile.TarInfo(f"{shard}-{i}.png")
                info.size = buffer.tell()
                buffer.seek(0)
                tar.addfile(info, buffer)


def test_streaming_gives_the_same_batches_from_any_start(tmp_path: Path) -> None:
    write_noise_shards(tmp_path, shards=4, pictures=6, side=128)
    streams = [module(tmp_path, val=str(tmp_path / "00.tar"), memory_mb=1) for _ in range(2)]
    assert streams[0].stream is not None
    assert streams[0].stream.streamed
    # 6 pictures of one shard, 8 crops each, 4 a batch: 12 batches a window; 30 batches go through three windows.
    in_order = batches(streams[0], range(30))
    later = batches(streams[1], range(26, 30))
    assert all(torch.equal(a, b) for a, b in zip(in_order[26:], later, strict=True))
    assert not torch.equal(in_order[0], in_order[12])


def test_only_pictures_of_the_prefixes_are_trained_on(tmp_path: Path) -> None:
    write_noise_shards(tmp_path, shards=4, pictures=6, side=32)  # prefixes are the numbers of the shards
    data = module(tmp_path, val=str(tmp_path / "00.tar"), prefixes=["1", "3"])
    assert data.stream is not None
    assert data.stream.pictures == 12
    assert len(data.validation) == 6
    held_out = module(tmp_path, prefixes=["2"])
    assert held_out.stream is not None
    assert held_out.stream.pictures + len(held_out.validation) == 6
    with pytest.raises(ConfigError, match="no picture of prefix 7; its prefixes are 0, 1, 2, 3"):
        module(tmp_path, prefixes=["7"])
    with pytest.raises(ConfigError, match="prefixes are cats, dogs, and no --data is given"):
        PictureDataModule(prefixes=["cats", "dogs"])


def test_a_shard_that_exceeds_the_memory_limit_is_refused(tmp_path: Path) -> None:
    write_noise_shards(tmp_path, shards=1, pictures=8, side=256)
    with pytest.raises(ConfigError, match=r"8 pictures takes about 2 MB decoded, over the limit of 1 MB"):
        module(tmp_path, val=str(tmp_path), memory_mb=1)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 39), st.integers(0, 39), st.booleans())
def test_windows_equal_slices_of_the_picture_with_repeated_edges(
    height: int, width: int, top: int, left: int, mirrored: bool
) -> None:
    top, left, side = min(top, height - 1), min(left, width - 1), 16
    generator = np.random.default_rng(height * 41 + width)
    pictures = [generator.integers(0, 256, (h, w, 3), np.uint8) for h, w in ((3, 5), (height, width), (2, 2))]
    found = PicturePool.of(pictures).windows(
        np.array([1, 0]), np.array([[top, left], [0, 0]]), side, np.array([mirrored, False])
    )
    padded = np.pad(pictures[1], ((0, side), (0, side), (0, 0)), mode="edge")[top : top + side, left : left + side]
    expected = padded[:, ::-1] if mirrored else padded
    assert np.array_equal(found[0].permute(1, 2, 0).numpy(), expected)
    assert np.array_equal(found[1, :, :3, :5].permute(1, 2, 0).numpy(), pictures[0])


def test_crops_are_unscaled_or_downscaled_within_the_limit() -> None:
    ramp = np.linspace(0, 255, 96, dtype=np.uint8)
    picture = np.stack([np.tile(ramp, (96, 1))] * 3, 2)
    pool, generator = PicturePool.of([picture]), np.random.default_rng(0)
    crops = torch.cat([pool.crops(np.zeros(4, np.int64), 32, 3.0, generator) for _ in range(16)])
    slopes = (crops[:, 0, 16, 31] - crops[:, 0, 16, 0]).abs() * 95 / 31
    # Unscaled crops have the picture's own slope; downscaled ones up to three times as much; both occur.
    assert float(slopes.min()) == pytest.approx(1, abs=0.05)
    assert 2 < float(slopes.max()) <= 3.1
    assert 0.3 < float((slopes < 1.05).float().mean()) < 0.7


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [("crop_px", 20, "multiple of 16"), ("batch_size", 0, "at least 1"), ("downscale", 0.5, "from 1 to 16")],
)
def test_settings_out_of_range_are_refused_by_name(folder: Path, field: str, value: float, text: str) -> None:
    with pytest.raises(ConfigError, match=f"{field} is {value}.*{text}"):
        module(folder, **{field: value})


class Recorder(lightning.LightningModule):
    """Two optimisers, as with a discriminator, and a record of the batches seen."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.weight = nn.Parameter(torch.zeros(2))
        self.seen: list[Tensor] = []
        self.steps = steps

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.SGD([self.weight], 0.1), torch.optim.SGD([self.weight], 0.1)]

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        self.seen.append(batch.clone())
        for optimiser in self.optimizers():  # pyright: ignore[reportGeneralTypeIssues]
            optimiser.step()
        self.trainer.should_stop = len(self.seen) >= self.steps

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        assert batch.shape[0] == 3


def train(folder: Path, out: Path, steps: int, checkpoint: Path | None = None) -> list[Tensor]:
    recorder = Recorder(steps)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        val_check_interval=2,
        check_val_every_n_epoch=None,
    )
    trainer.fit(recorder, module(folder), ckpt_path=checkpoint, weights_only=False)
    trainer.save_checkpoint(out)
    return recorder.seen


def test_a_resumed_training_sees_the_batches_that_would_have_come(folder: Path, tmp_path: Path) -> None:
    whole = train(folder, tmp_path / "whole.ckpt", 7)
    first = train(folder, tmp_path / "first.ckpt", 3)
    second = train(folder, tmp_path / "second.ckpt", 4, tmp_path / "first.ckpt")
    assert len(first + second) == 7
    assert all(torch.equal(a, b) for a, b in zip(whole, first + second, strict=True))
