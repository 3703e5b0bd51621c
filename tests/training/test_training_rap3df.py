"""RAP3DF as the depth networks see it, and the verifier's pairs of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from training.facial_depth.samples import held_out_real, of_rap3df
from training.readers import rap3df
from training.recipes import depth_verifier


def test_the_code_is_millimetres() -> None:
    depth = rap3df.millimetres(np.arange(256, dtype=np.uint8))
    assert depth[0] == 0
    assert depth[[64, 127, 128, 192]] == pytest.approx([768, 1020, 1024, 1536])
    assert (np.diff(depth[1:]) > 0).all()


def test_people_are_held_out_whole_and_faces_lie_where_they_should(data: Path) -> None:
    faces = rap3df.read()
    apart = set(faces.person[faces.held_out].tolist())
    assert apart.isdisjoint(faces.person[~faces.held_out].tolist())
    assert 15 < len(apart) < 30
    samples = held_out_real(faces)
    assert len(samples) > 90
    assert {sample.person for sample in samples} <= apart
    # a face is about 220 mm of the crop wide or high, in its middle, at a distance of conversation
    assert np.median([sample.face.mean() for sample in samples]) == pytest.approx(0.4, abs=0.15)
    centres = np.array([np.argwhere(sample.face).mean(axis=0) for sample in samples])
    assert np.abs(np.median(centres, axis=0) - 49.5).max() < 10
    assert all(600 < sample.distance < 1600 for sample in samples)
    nose = [sample.depth[45:60, 40:60][sample.face[45:60, 40:60]] for sample in samples]
    nearer = [np.percentile(part, 5) < sample.distance for part, sample in zip(nose, samples, strict=True) if part.size]
    assert np.mean(nearer) > 0.9


class Nearness(torch.nn.Module):
    """Thinks that maps with about the same code, here given, are of one person."""

    def column(self, codes: torch.Tensor) -> torch.Tensor:
        return codes

    def compare(self, apart: torch.Tensor) -> torch.Tensor:
        return 20 * (0.5 - apart.sum(dim=1, keepdim=True))


def test_the_verifier_learns_from_every_pair_of_a_batch(data: Path) -> None:
    faces = rap3df.read()
    people = depth_verifier.People(depth_verifier.Config(real=1.0, batch_size=6), faces)
    first, again = people(3), people(3)
    assert first["person"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert first["maps"].shape == (12, 1, 100, 100)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["maps"][0], first["maps"][1])
    torch.manual_seed(0)
    tensors = {name: torch.from_numpy(value) for name, value in first.items()}
    parts = depth_verifier.loss(depth_verifier.DepthVerifier(), tensors)
    assert float(parts["loss"].detach()) == pytest.approx(np.log(2), abs=0.4)
    assert 0 <= float(parts["accuracy"]) <= 1


def test_pairs_of_one_person_count_as_much_as_all_others() -> None:
    person = torch.tensor([0, 0, 1, 1])
    known = {"maps": person[:, None].float(), "person": person}
    assert float(depth_verifier.loss(Nearness(), known)["accuracy"]) == 1
    alike = {"maps": torch.zeros(4, 1), "person": person}  # all thought to be one: two pairs are right, four wrong
    assert float(depth_verifier.loss(Nearness(), alike)["accuracy"]) == 0.5


def test_a_jittered_crop_moves_a_little(data: Path, rng: np.random.Generator) -> None:
    faces = rap3df.read()
    still, moved = of_rap3df(faces, 7), of_rap3df(faces, 7, rng)
    shift = still.crop.into(moved.crop.back(np.array([49.5, 49.5]))) - 49.5
    assert 0 < np.abs(shift).max() < 8
    assert still.distance == moved.distance
