"""Tables 2 and 3: the pairs that are counted, DepthCorr against its definition, and what does not change it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engines.lstsq import reference
from realtime.errors import InputError
from realtime.geometry.template import template
from realtime.geometry.topology import LANDMARKS, OF_66
from training.ict import rotations
from training.recipes import aign, depthnet_gan, mofa_standin, tables
from training.run import RunOptions
from training.tables.depth_corr import Scores, affine_errors, depth_corr
from training.tables.depth_rows import (
    AIGN,
    DEPTHNET,
    GAN,
    MOFA,
    Measured,
    gauge_fixed,
    of_pair,
    of_source,
    once_per_source,
    posed_template,
    trained_rows,
)
from training.tables.figures import depth_pictures, heat_maps
from training.tables.markdown import markdown
from training.tables.protocol import FRONT, PER_SUBSET, SIDE, SUBSETS, Protocol, aflw2000, choose, ict, seen_from_front
from training.tables.table2 import table2
from training.tables.table3 import table3


def turned_templates(per_subset: int) -> Protocol:
    """The mean face with its points moved a little, left, front and right."""
    rng = np.random.default_rng(5)
    count = per_subset * len(SUBSETS)
    angles = np.zeros((count, 3))
    angles[:, 0] = np.repeat((-40, 0, 40), per_subset) + rng.uniform(-12, 12, count)
    shapes = template()[:LANDMARKS] + 0.03 * rng.standard_normal((count, LANDMARKS, 3))
    return Protocol("made up", shapes @ rotations(angles).transpose(0, 2, 1) / 4 + (0.5, 0.5, 0))


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    """Fewer faces than the real ones have: what is tested does not depend on their number."""
    return turned_templates(10)


def truth(protocol: Protocol) -> np.ndarray:
    return protocol.points[protocol.pairs()[0], :, 2]


class TestProtocol:
    """225 faces, 50,400 pairs."""

    def test_pairs_are_counted_as_published(self) -> None:
        protocol = turned_templates(PER_SUBSET)
        source, target = protocol.pairs()
        assert len(source) == len(target) == 225 * 224 == 50_400
        assert (source != target).all()
        assert len({*zip(source.tolist(), target.tolist(), strict=True)}) == 50_400
        counts = np.zeros((3, 3), int)
        np.add.at(counts, (protocol.subset(source), protocol.subset(target)), 1)
        np.testing.assert_array_equal(counts, np.where(np.eye(3) > 0, 5_550, 5_625))

    def test_faces_are_chosen_by_yaw(self, rng: np.random.Generator) -> None:
        yaw = rng.uniform(-180, 180, 3000)
        chosen = yaw[choose(yaw)].reshape(3, PER_SUBSET)
        assert ((chosen[0] < -FRONT) & (chosen[0] >= -SIDE)).all()
        assert (np.abs(chosen[1]) <= FRONT).all()
        assert ((chosen[2] > FRONT) & (chosen[2] <= SIDE)).all()
        assert len(np.unique(choose(yaw))) == 225

    def test_heads_turned_away_are_told(self) -> None:
        angles = np.zeros((6, 3))
        angles[:, 0] = (-120, -80, 0, 30, 85, 110)
        angles[:, 2] = (0, 30, 170, -60, 0, 40)
        views = template()[:LANDMARKS] @ rotations(angles).transpose(0, 2, 1)
        np.testing.assert_array_equal(seen_from_front(views), [False, True, True, True, True, False])

    def test_too_few_faces_are_an_error(self) -> None:
        with pytest.raises(InputError, match=r"75 faces looking right: this set has 0"):
            choose(np.linspace(-60, 10, 500))

    @pytest.mark.parametrize("make", [aflw2000, ict])
    def test_the_sets_have_their_faces(self, make: object, data: Path) -> None:
        assert callable(make)
        found = make()
        assert found.points.shape == (225, LANDMARKS, 3)
        assert np.isfinite(found.points).all()
        nose, jaw = found.points[:, 30], found.points[:, :17].mean(axis=1)
        assert (nose[:, 2] < jaw[:, 2]).mean() > 0.95, "smaller depth is nearer"
        sides = (nose[:, 0] - jaw[:, 0]).reshape(3, -1)
        assert (sides[0] < sides[1].min()).mean() > 0.6, "left is the image's left"
        assert np.median(sides[0]) < np.median(sides[1]) < np.median(sides[2])


class TestDepthCorr:
    """The metrics."""

    def test_it_is_its_definition(self, rng: np.random.Generator) -> None:
        depth, true = rng.normal(size=(2, 40, 66))
        true = true + 0.5 * depth * np.sign(rng.normal(size=66))
        whole = np.corrcoef(depth.T, true.T)
        assert depth_corr(depth, true) == pytest.approx(np.abs(np.diag(whole[:66, 66:])).sum(), abs=1e-9)

    def test_the_truth_scores_every_point(self, protocol: Protocol) -> None:
        scores = Scores.of(protocol, truth(protocol))
        for number in (scores.raw_all, scores.canonical_all, *scores.raw.ravel(), *scores.canonical.ravel()):
            assert number == pytest.approx(66, abs=1e-6)
        assert scores.pearson == pytest.approx(1)

    def test_the_gauge_changes_the_raw_number_alone(self, protocol: Protocol, rng: np.random.Generator) -> None:
        source, _ = protocol.pairs()
        points = protocol.points[source]
        plane = rng.normal(0, 0.3, (len(source), 3, 1))
        a, b, c = plane.swapaxes(0, 1)
        scale = rng.uniform(0.5, 2, (len(source), 1)) * rng.choice([-1, 1], (len(source), 1))
        moved = Scores.of(protocol, scale * truth(protocol) + a * points[..., 0] + b * points[..., 1] + c)
        assert moved.canonical_all == pytest.approx(66, abs=1e-6)
        assert moved.pearson == pytest.approx(1)
        assert moved.raw_all < 60
        np.testing.assert_allclose(moved.mse, Scores.of(protocol, truth(protocol)).mse, atol=1e-12)

    def test_a_constant_depth_scores_nothing(self) -> None:
        assert depth_corr(np.ones((10, 66)), np.random.default_rng(0).normal(size=(10, 66))) == 0

    def test_errors_are_those_of_the_reference_solver(self, protocol: Protocol) -> None:
        source, target = (index[::50] for index in protocol.pairs())
        points, goals = protocol.points[source], protocol.points[target, :, :2]
        affines = reference.solve(points, goals)
        away = points @ affines[..., :3].swapaxes(1, 2) + affines[:, None, :, 3] - goals
        errors = affine_errors(points[..., :2], points[..., 2], goals)
        np.testing.assert_allclose(errors, np.square(away).mean(axis=(1, 2)), rtol=1e-9)


class TestRows:
    """Ways to a depth."""

    def test_the_template_is_turned_like_the_face(self) -> None:
        shape = template()[:LANDMARKS].astype(np.float64)
        turned = shape @ rotations(np.array([[35.0, -10, 20]]))[0].T
        np.testing.assert_allclose(posed_template(3 * turned[None, :, :2] + 7)[0], 3 * turned[:, 2], atol=1e-9)

    def test_lifts_are_asked_for_every_pair_in_its_box(self, protocol: Protocol) -> None:
        source, target = protocol.pairs()
        seen = of_pair(lambda sources, targets: sources[..., 0] + 2 * targets[..., 0])(protocol)
        own = of_source(lambda sources, targets: 3 * sources[..., 0])(protocol)
        assert seen.shape == own.shape == (30 * 29, LANDMARKS)
        x = protocol.points[..., 0]
        for values, wanted in ((own[777], 3 * x[source[777]]), (own[-1], 3 * x[source[-1]])):
            np.testing.assert_allclose(values - values.mean(), wanted - wanted.mean(), atol=1e-6)
        mixed = seen[777] - own[777] / 3
        assert np.corrcoef(mixed, x[target[777]])[0, 1] == pytest.approx(1)

    def test_gauge_fixed_depths_have_unit_norm(self, protocol: Protocol) -> None:
        depth = gauge_fixed(once_per_source(lambda p: p.points[..., 2]))(protocol)
        np.testing.assert_allclose(np.linalg.norm(depth, axis=1), 1)


OPTIONS = RunOptions(steps=2, threads=1, workers=0, device="cpu")
RECIPES: dict[str, Callable[[RunOptions], None]] = {
    DEPTHNET: lambda options: depthnet_gan.train(depthnet_gan.Config(options, adversarial=0, batch_size=4)),
    GAN: lambda options: depthnet_gan.train(depthnet_gan.Config(options, batch_size=4)),
    AIGN: lambda options: aign.train(aign.Config(options, batch_size=2)),
    MOFA: lambda options: mofa_standin.train(mofa_standin.Config(options, batch_size=4)),
}


@pytest.mark.parametrize("name", RECIPES)
def test_what_a_recipe_trains_becomes_a_row(name: str, protocol: Protocol, tmp_path: Path, data: Path) -> None:
    trained = trained_rows()[name]
    with pytest.raises(InputError, match="No checkpoint"):
        trained.row(tmp_path)
    RECIPES[name](dataclasses.replace(OPTIONS, runs=tmp_path))
    assert trained.steps(tmp_path) == 2
    depth = trained.row(tmp_path)(protocol)
    assert depth.shape == (30 * 29, LANDMARKS)
    assert np.isfinite(depth).all()


def test_the_revision_follows_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACET_DATA", str(tmp_path))
    for name in tables.FILES:
        (tmp_path / name).write_bytes(name.encode())
    before = tables.revision()
    assert before == tables.revision() == hashlib.sha256("".join(tables.FILES).encode()).hexdigest()[:12]
    (tmp_path / tables.FILES[0]).write_bytes(b"other")
    assert tables.revision() != before


def test_tables_and_figures_show_what_was_measured(protocol: Protocol, tmp_path: Path) -> None:
    rows = {"DepthNet 2.3": truth(protocol), "AIGN": -2 * truth(protocol)}
    measured = Measured(protocol, rows, {name: Scores.of(protocol, depth) for name, depth in rows.items()})
    second, third = table2([measured]), table3([measured], ["MOFA is not trained yet."])
    assert second.count("| DepthNet 2.3") == 3
    assert "AIGN" not in second
    assert "| AIGN" in third
    assert third.rstrip().endswith("MOFA is not trained yet.")
    assert "66.0" in second
    for draw in (heat_maps, depth_pictures):
        draw(measured, tmp_path / "figure.png")
        assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_markdown_lines_up() -> None:
    lines = markdown(["", "wide"], [["name", "1"], ["x", "22"]]).splitlines()
    assert lines == ["|      | wide |", "| ---- | ---: |", "| name |    1 |", "| x    |   22 |"]


def test_66_points_are_measured(protocol: Protocol) -> None:
    depth = truth(protocol).copy()
    depth[:, np.setdiff1d(np.arange(LANDMARKS), OF_66)] = 1e3
    assert Scores.of(protocol, depth).raw_all == pytest.approx(66, abs=1e-6)
