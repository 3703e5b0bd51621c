"""A wide network begins as the narrow one, and its copies then part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from engines.networks.cross_modal_normals import CrossModalNormals
from engines.networks.cyclegan import CycleGan
from engines.networks.facial_depth import FacialDepth
from realtime.errors import InputError
from training.export import export, stored_weights
from training.widening import widen


def with_a_past(module: nn.Module) -> nn.Module:
    """Statistics and scales as after training."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            with torch.no_grad():
                part.running_mean.normal_()
                part.running_var.uniform_(0.5, 2)
                part.weight.uniform_(0.5, 2)
    return module.eval()


@pytest.mark.parametrize("width", [0.25, 0.5])
def test_it_says_what_the_narrow_one_says(width: float) -> None:
    """On every way through the cross-modal network, with its joined, split, added and compared features."""
    torch.manual_seed(0)
    narrow = with_a_past(CrossModalNormals(width / 4))
    wide = widen(CrossModalNormals(width), narrow.state_dict()).eval()
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for way in ("normals", "normals_again", "image_again"):
            torch.testing.assert_close(getattr(wide, way)(picture), getattr(narrow, way)(picture), atol=1e-5, rtol=1e-5)


def test_a_cyclegan_says_what_the_narrow_one_says() -> None:
    """Generators, whose transposed convolutions read along another axis, and critics, at single pictures and more."""
    torch.manual_seed(0)
    narrow = CycleGan(6, 3, width=4, blocks=2)
    with torch.no_grad():
        for weights in narrow.parameters():
            weights.normal_(0, 0.1)
    wide = widen(CycleGan(6, 3, width=16, blocks=2), narrow.state_dict())
    for count in (1, 2):
        a, b = torch.rand(count, 6, 48, 48) * 2 - 1, torch.rand(count, 3, 48, 48) * 2 - 1
        with torch.no_grad():
            for part, picture in (("to_b", a), ("to_a", b), ("critic_a", a), ("critic_b", b)):
                said, known = getattr(wide, part)(picture), getattr(narrow, part)(picture)
                torch.testing.assert_close(said, known, atol=1e-4, rtol=1e-4)
                assert known.std() > 0.01


def test_an_exported_file_will_do(tmp_path: Path) -> None:
    """Weights as wide stay as they are, too."""
    torch.manual_seed(0)
    narrow = with_a_past(FacialDepth(width=0.0625))
    grey = torch.rand(1, 1, 100, 100)
    export(narrow, tmp_path / "narrow.onnx", {"grey": np.asarray(grey)}, ("depth",))
    stored = stored_weights(tmp_path / "narrow.onnx")
    for width in (0.0625, 0.125):
        wide = widen(FacialDepth(width=width), stored).eval()
        with torch.no_grad():
            torch.testing.assert_close(wide(grey), narrow(grey), atol=1e-5, rtol=1e-4)


def test_copies_of_a_channel_learn_apart() -> None:
    torch.manual_seed(0)

    def network(width: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(3, width, 3), nn.ReLU(), nn.Conv2d(width, width, 3), nn.ReLU(), nn.Conv2d(width, 1, 1)
        )

    wide = widen(network(8), network(2).state_dict())
    copies = wide[2].weight.sum(dim=(1, 2, 3)).reshape(2, 4)
    torch.testing.assert_close(copies, copies[:, :1].expand(2, 4))
    wide(torch.rand(4, 3, 16, 16)).square().mean().backward()
    with torch.no_grad():
        wide[2].weight -= 0.5 * wide[2].weight.grad
    copies = wide[2].weight.sum(dim=(1, 2, 3)).reshape(2, 4)
    learns = copies.abs().sum(dim=1) > 0
    apart = copies.std(dim=1) / copies.abs().mean(dim=1).clamp(min=1e-9)
    assert learns.any()
    assert (apart[learns] > 1e-4).any()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match=r"weight is \(3, 2\), of which \(4, 4\) is no multiple"):
        widen(nn.Linear(4, 4), nn.Linear(2, 3).state_dict())
    with pytest.raises(InputError, match="has no weight"):
        widen(nn.Linear(4, 4), {})
