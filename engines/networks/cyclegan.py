"""CycleGAN (Zhu et al. 2017) with the sizes the DepthNets publication repairs its faces with (supplement, section 2).

Generator c7s1-64, d128, d256, nine residual blocks of 256, u128, u64, c7s1; critic C64-C128-C256-C512 of 70x70 patches.
Instance norm is that of each picture, without learned scale and without running statistics: a network that is trained
on single pictures then says the same of each in a batch and in use. One thing is ours: transposed convolutions keep an
even plane even.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.networks.instance_norm import InstanceNorm
from engines.networks.patch_critic import PatchCritic

BLOCKS = 9
WIDTH = 64
FIRST_STD = 0.02
BILINEAR = torch.tensor([0.5, 1.0, 0.5])


class Generator(nn.Module):
    """Pictures (B, inputs, S, S) in -1..1 to pictures (B, outputs, S, S) in -1..1; S is a multiple of 4, from 12 on.

    Args:
        inputs, outputs: channels.
        width: of the first layer; 64 as published.
        blocks: residual blocks.
    """

    def __init__(self, inputs: int = 3, outputs: int = 3, width: int = WIDTH, blocks: int = BLOCKS) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), *_normalised(nn.Conv2d(inputs, width, 7))]
        for wide in (width, 2 * width):
            layers += _normalised(nn.Conv2d(wide, 2 * wide, 3, stride=2, padding=1))
        layers += [_Residual(4 * width) for _ in range(blocks)]
        for wide in (4 * width, 2 * width):
            layers += _normalised(_Enlarging(wide, wide // 2, 3, stride=2, padding=1, output_padding=1))
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, outputs, 7), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(_initialised)

    def forward(self, picture: Tensor) -> Tensor:
        return self.layers(picture)


class CycleGan(nn.Module):
    """Both generators and both critics, of pictures a and b."""

    def __init__(self, channels_a: int, channels_b: int, width: int = WIDTH, blocks: int = BLOCKS) -> None:
        super().__init__()
        self.to_b = Generator(channels_a, channels_b, width, blocks)
        self.to_a = Generator(channels_b, channels_a, width, blocks)
        self.critic_a, self.critic_b = PatchCritic(channels_a, width), PatchCritic(channels_b, width)
        self.apply(_initialised)

    def forward(self, a: Tensor) -> Tensor:
        """What is used once trained: a picture of kind a made one of kind b."""
        return self.to_b(a)


class _Enlarging(nn.ConvTranspose2d):
    """Of 3x3 and stride 2, but an even plane stays even: without it, trainings this short print a lattice.

    Pixels are made by one weight, two or four, as their row and column are even or odd. What the weights of one of
    these four phases lack of the phases' mean is shared out among them.
    """

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        weight = self.weight
        share = torch.outer(BILINEAR, BILINEAR).to(weight)  # one over the number of a phase's weights
        phases = _phases(weight)
        sums = (weight[:, :, None] * phases).sum(dim=(3, 4), keepdim=True)  # by einsum, autocast would round
        weight = weight + share * ((sums.mean(dim=2, keepdim=True) - sums) * phases).sum(dim=2)
        return functional.conv_transpose2d(x, weight, self.bias, self.stride, self.padding, self.output_padding)


def _phases(like: Tensor) -> Tensor:
    """(4, 3, 3): which weights make pixels of which phase."""
    even = like.new_tensor([0.0, 1.0, 0.0])
    lines = (even, 1 - even)
    return torch.stack([torch.outer(rows, columns) for rows in lines for columns in lines])


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            *_normalised(nn.Conv2d(width, width, 3)),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            InstanceNorm(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _normalised(conv: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    return [conv, InstanceNorm(conv.out_channels), nn.ReLU()]


def _initialised(module: nn.Module) -> None:
    """Normal as published, but with what any picture needs in it from the start, so that no steps go by to find it.

    The layers of the residual blocks pass on what they get (Zagoruyko and Komodakis 2017), transposed convolutions
    enlarge bilinearly what a 1x1 convolution would give (Aitken et al. 2017).
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, FIRST_STD)
        assert module.bias is not None
        with torch.no_grad():
            module.bias.zero_()
            if isinstance(module, nn.ConvTranspose2d):
                module.weight.copy_(module.weight[:, :, 1:2, 1:2] * torch.outer(BILINEAR, BILINEAR))
            elif module.in_channels == module.out_channels:
                module.weight += nn.init.dirac_(torch.empty_like(module.weight))
