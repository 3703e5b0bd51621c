"""The repair network made narrower or wider without starting anew: from zero it learns nothing for a thousand steps."""

from __future__ import annotations

import torch

from engines.networks.repair import Repair

# Layer: whose channels it gives, and whose it takes. Layers whose outputs are added up give the same ones.
_CHANNELS = {
    "encode2.0": ("level2", "tile"),
    "encode4.0.0": ("enter4", "level2"),
    "encode4.1.0": ("level4", "enter4"),
    "encode8.0.0": ("enter8", "level4"),
    "encode8.1.0": ("level8", "enter8"),
    "near.0": ("level8", "level8"),
    "far.0": ("level8", "level8"),
    "decode8.0": ("leave8", "level8"),
    "rise4": ("level4", "leave8"),
    "decode4.0": ("leave4", "level4"),
    "rise2": ("level2", "leave4"),
    "decode2.0": ("leave2", "level2"),
    "head": ("colours", "leave2"),
}


def resized(network: Repair, width: int) -> Repair:
    """A network of another width with the given one's weights.

    Narrower, it keeps the channels whose filters weigh most (after Li et al. 2017). Wider, it gives the same pictures:
    what is new starts at random, and nothing listens to it yet (after Chen et al. 2016, Net2Net).
    """
    made = Repair(width, network.reduce)
    old, new = network.state_dict(), made.state_dict()
    kept: dict[str, torch.Tensor] = {}
    for group in {name for names in _CHANNELS.values() for name in names}:
        given = [old[f"{layer}.weight"] for layer, (gives, _) in _CHANNELS.items() if gives == group]
        wanted = [new[f"{layer}.weight"] for layer, (gives, _) in _CHANNELS.items() if gives == group]
        if not given:  # the tile's own
            kept[group] = torch.arange(old["encode2.0.weight"].shape[1])
            continue
        weight = torch.stack([filters.abs().sum(dim=(1, 2, 3)) for filters in given]).sum(dim=0)
        count = min(len(weight), len(wanted[0]))
        kept[group] = weight.argsort(descending=True)[:count].sort().values
    for layer, (gives, takes) in _CHANNELS.items():
        rows, columns = kept[gives], kept[takes]
        filters = new[f"{layer}.weight"]
        filters[: len(rows)] = 0
        filters[: len(rows), : len(columns)] = old[f"{layer}.weight"][rows][:, columns]
        new[f"{layer}.bias"][: len(rows)] = old[f"{layer}.bias"][rows]
    made.load_state_dict(new)
    return made
