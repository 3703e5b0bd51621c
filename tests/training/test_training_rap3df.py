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


def test_pairs_are_half_of_one_person(data: Path) -> None:
    faces = rap3df.read()
    pairs = depth_verifier.Pairs(depth_verifier.Config(real=1.0, batch_size=6), faces)
    first, again = pairs(3), pairs(3)
    assert first["same"].tolist() == [1, 0, 1, 0, 1, 0]
    assert first["first"].shape == first["second"].shape == (6, 1, 100, 100)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["first"][0], first["second"][0])
    torch.manual_seed(0)
    tensors = {name: torch.from_numpy(value) for name, value in first.items()}
    parts = depth_verifier.loss(depth_verifier.DepthVerifier(), tensors)
    assert float(parts["loss"].detach()) == pytest.approx(np.log(2), abs=0.4)
    assert 0 <= float(parts["accuracy"]) <= 1


def test_a_jittered_crop_moves_a_little(data: Path, rng: np.random.Generator) -> None:
    faces = rap3df.read()
    still, moved = of_rap3df(faces, 7), of_rap3df(faces, 7, rng)
    shift = still.crop.into(moved.crop.back(np.array([49.5, 49.5]))) - 49.5
    assert 0 < np.abs(shift).max() < 8
    assert still.distance == moved.distance
