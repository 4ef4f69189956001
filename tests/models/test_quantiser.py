import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hvqcgic.models.quantiser import VectorQuantiser, nearest_codes, perplexity
from tests.models.small import noise


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=generator(seed))


def quantiser(codebook: Tensor, *, decay: float = 0.99, revive_below: float = 0.05) -> VectorQuantiser:
    found = VectorQuantiser(*codebook.shape, decay=decay, revive_below=revive_below)
    found.codebook.copy_(codebook)
    return found


@pytest.mark.parametrize(
    ("n", "size", "width", "chunk"), [(0, 5, 3, 8), (1, 1, 1, 8), (40, 20, 4, 1), (40, 7, 2, 39), (40, 30, 5, 40)]
)
def test_the_nearest_code_is_the_one_that_brute_force_finds(n: int, size: int, width: int, chunk: int) -> None:
    y, codebook = normal(n, width), normal(size, width, seed=1)
    distances = ((y[:, None].double() - codebook[None].double()) ** 2).sum(2)
    found = nearest_codes(y, codebook, chunk)
    assert found.shape == (n,)
    assert found.dtype == torch.int64
    chosen = distances.gather(1, found[:, None])[:, 0]
    torch.testing.assert_close(chosen, distances.amin(1), rtol=0, atol=1e-5)


def test_equal_codes_give_the_lowest_index() -> None:
    codebook = torch.tensor([[3.0, 3.0], [1.0, 0.0], [1.0, 0.0]])
    assert nearest_codes(torch.tensor([[0.9, 0.1]]), codebook).tolist() == [1]


def test_the_gradient_passes_straight_through_to_the_features() -> None:
    module = quantiser(normal(8, 3))
    y = normal(20, 3, seed=1).requires_grad_()
    weight = normal(20, 3, seed=2)
    result = module(y)
    torch.testing.assert_close(result.y_hat, module.codebook[result.indices])
    (result.y_hat * weight).sum().backward()
    assert y.grad is not None
    torch.testing.assert_close(y.grad, weight)


def test_commitment_pulls_features_to_their_codes() -> None:
    module = quantiser(normal(8, 3))
    y = normal(20, 3, seed=1).requires_grad_()
    result = module(y)
    distance = y.detach() - module.codebook[result.indices]
    torch.testing.assert_close(result.commitment, (distance**2).mean(1))
    result.commitment.sum().backward()
    assert y.grad is not None
    torch.testing.assert_close(y.grad, 2 * distance / 3)


def mean_distance(module: VectorQuantiser, y: Tensor) -> float:
    return float(module(y).commitment.mean())


def test_k_means_starts_a_better_codebook_than_random_features_do() -> None:
    y = normal(600, 3) + 8 * noise(600, 1, seed=1).round()
    sampled, started, again = (VectorQuantiser(12, 3) for _ in range(3))
    sampled.start(y, generator(), iterations=0)
    started.start(y, generator())
    again.start(y, generator())
    assert bool(started.initialised)
    assert mean_distance(started, y) < 0.9 * mean_distance(sampled, y)
    assert torch.equal(started.codebook, again.codebook)


def test_a_start_leaves_averages_that_an_update_goes_on_from() -> None:
    y = normal(600, 3)
    module = VectorQuantiser(12, 3)
    module.start(y, generator())
    torch.testing.assert_close(module.cluster_sum / module.cluster_size[:, None], module.codebook)
    before = mean_distance(module, y)
    for step in range(20):
        module.update(y, module(y).indices, generator(step))
    assert mean_distance(module, y) < before * 1.01


def test_codes_move_to_the_mean_of_their_features() -> None:
    codebook = torch.tensor([[0.0, 0.0], [10.0, 10.0]])
    module = quantiser(codebook, decay=0.0)
    y = torch.cat([normal(30, 2), 10 + normal(50, 2, seed=1)])
    module.update(y, module(y).indices, generator())
    torch.testing.assert_close(module.codebook, torch.stack([y[:30].mean(0), y[30:].mean(0)]))


def test_dead_codes_come_back_on_features_and_live_ones_stay() -> None:
    codebook = torch.cat([normal(7, 2), torch.full((1, 2), 1e3)])
    module = quantiser(codebook, decay=0.5)
    module.cluster_sum.copy_(codebook)
    y = normal(400, 2, seed=1)
    for step in range(12):
        module.update(y, module(y).indices, generator(step))
    assert float(module.codebook.abs().max()) < 5
    assert len(set(module(y).indices.tolist())) == 8


def test_a_revived_code_is_a_feature() -> None:
    module = quantiser(torch.tensor([[0.0, 0.0], [1e3, 1e3]]), decay=0.0)
    y = normal(50, 2)
    module.update(y, module(y).indices, generator())
    assert float((module.codebook[1] - y).abs().sum(1).min()) < 1e-5


def test_without_revival_codes_out_of_use_stay_where_they_are() -> None:
    codebook = torch.cat([normal(7, 2), torch.full((1, 2), 1e3)])
    module = quantiser(codebook, decay=0.5, revive_below=0.0)
    module.cluster_sum.copy_(codebook)
    y = normal(400, 2, seed=1)
    # After 200 steps the averages of the last code have faded to 0.
    for step in range(200):
        module.update(y, module(y).indices, generator(step))
    assert float(module.cluster_size[7]) == 0
    assert torch.equal(module.codebook[7], codebook[7])
    assert mean_distance(module, y) < mean_distance(quantiser(codebook), y)


def test_counts_of_use_fade() -> None:
    module = quantiser(normal(4, 2))
    module.count(1, torch.tensor([2, 2, 3]))
    module.count(1, torch.tensor([0]), decay=0.5)
    assert module.usage.tolist() == [[0, 0, 0, 0], [1, 0, 1, 0.5], [0, 0, 0, 0]]


def test_perplexity_counts_the_codes_in_use() -> None:
    usage = torch.tensor([[5.0, 5.0, 5.0, 5.0], [0.0, 9.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [3.0, 0.0, 3.0, 0.0]])
    assert perplexity(usage).tolist() == pytest.approx([4, 1, 1, 2])


def test_parts_of_any_size_give_the_same_codes() -> None:
    codebook, y = normal(64, 4), normal(3001, 4, seed=1)
    whole = nearest_codes(y, codebook, 1 << 23)
    assert all(torch.equal(nearest_codes(y, codebook, chunk), whole) for chunk in (None, 64 * 3000, 64 * 100))
    assert nearest_codes(y[:0], codebook).tolist() == []


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system tells no peak of memory")
def test_the_memory_of_distances_is_used_again_for_every_part() -> None:
    code = (
        "import torch\n"
        "from hvqcgic.models.quantiser import nearest_codes\n"
        "peak = lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
        "generator = torch.Generator().manual_seed(0)\n"
        "y, codebook = (torch.randn(n, 4, generator=generator) for n in (400_000, 512))\n"
        "nearest_codes(y[:1000], codebook)\n"
        "before = peak()\n"
        "nearest_codes(y, codebook)\n"
        "print(peak() - before)\n"
    )
    grown_kb = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)
    # The result takes 3 MB, all distances 800 MB.
    assert grown_kb < 100_000
