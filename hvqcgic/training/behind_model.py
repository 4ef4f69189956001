"""A stage that trains a network for a frozen model, which stays unchanged: stages reverse and proxy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from torch import nn

from hvqcgic.errors import ConfigError
from hvqcgic.models import HvqModel
from hvqcgic.perceptual import Perceptual
from hvqcgic.training.average import weights_of
from hvqcgic.training.checkpoints import UNUSABLE, read_checkpoint, unusable
from hvqcgic.training.config import Stage, TrainingConfig
from hvqcgic.training.provenance import recorded
from hvqcgic.training.stage_module import StageModule


class NetworkConfig(Protocol):
    """Configuration of the trained network."""

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain, JSON-able values."""
        ...


class BehindModelStage(StageModule):
    """Trains the network `trained_network` for a frozen model. Checkpoints name the model by its fingerprint."""

    def __init__(
        self,
        model: HvqModel,
        fingerprint: bytes,
        network: NetworkConfig,
        training: TrainingConfig,
        *,
        stage: Stage,
        perceptual: Perceptual | None,
    ) -> None:
        """Create the stage without its network.

        Args:
            model: thawed float form of the frozen model.
            fingerprint: of the frozen model.
            network: configuration of the network, which checkpoints hold under the name of the stage.
            training: loss and schedule.
            stage: its name.
            perceptual: LPIPS, or None to train and measure without.
        """
        super().__init__(training, stage, perceptual)
        settings = {"model": model.config.to_dict(), "training": vars(training), "stage": stage}
        self.save_hyperparameters(settings | {stage: network.to_dict(), "fingerprint": fingerprint.hex()})
        # The tuple keeps the unchanged model out of checkpoints, as for LPIPS.
        self._behind = (model.eval().requires_grad_(False),)

    @property
    def model(self) -> HvqModel:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The frozen model."""
        return self._behind[0]

    @property
    def trained_network(self) -> nn.Module:
        """The network that this stage trains, in the attribute of the stage's name."""
        return self.get_submodule(self.stage)

    def groups(self) -> list[dict[str, Any]]:
        """All weights of the network, at the learning rate of picture networks."""
        rate = self.options.learning_rate
        return [{"params": list(self.trained_network.parameters()), "lr": rate, "base_lr": rate}]

    def on_fit_start(self) -> None:
        """Move the frozen model to the device, too."""
        super().on_fit_start()
        self.model.to(self.device)


Module = TypeVar("Module", bound=BehindModelStage)


def load_behind(
    checkpoint: Path,
    model: Path,
    fingerprint: bytes,
    make: Callable[[dict[str, Any], TrainingConfig], Module],
    *,
    raw: bool = False,
) -> Module:
    """Load the module of a checkpoint, in evaluation mode.

    Args:
        checkpoint: its path.
        model: file of its frozen model, for messages.
        fingerprint: of the frozen model.
        make: creates the module of the network's configuration, as in the checkpoint, and of the training.
        raw: use the weights of the last step, also if the checkpoint has a moving average.
    Raises:
        ConfigError: the checkpoint belongs to another model, or is damaged.
    """
    content = read_checkpoint(checkpoint)
    settings = content["hyper_parameters"]
    if settings.get("fingerprint") != fingerprint.hex():
        raise ConfigError(
            f"{checkpoint}: trained behind a model of fingerprint {settings.get('fingerprint')}, {model} has "
            f"{fingerprint.hex()}; name the file of that model"
        )
    try:
        module = make(settings[settings["stage"]], TrainingConfig.from_dict(settings["training"]))
        module.load_state_dict(weights_of(content, raw=raw))
        module.trained_on = recorded(content)
    except UNUSABLE as error:
        raise unusable(checkpoint, error) from error
    return module.eval()
