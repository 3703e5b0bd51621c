"""The readers of original data sets: files as their authors write them, made here, and damaged ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from realtime.analysis.pose import rotation_of
from realtime.errors import InputError
from realtime.frame import Pose
from realtime.geometry.template import template
from realtime.geometry.topology import LANDMARKS, NOSE_TIP, OF_66, to_68
from training.readers import aflw2000, threedfaw, w300
from training.recipes import depth_protocol
from training.tables.protocol import PER_SUBSET, SUBSETS

PARTS = {"afw": 1, "helen/trainset": 2, "lfpw/trainset": 1, "helen/testset": 1, "lfpw/testset": 2, "ibug": 1}


def turned(yaw: float, size: float = 100.0) -> np.ndarray:
    """(68, 3) points of a head in the project's axes, its middle at (200, 220)."""
    points = size * template()[:LANDMARKS].astype(np.float64) @ rotation_of(Pose(yaw, 0.0, 0.0)).T
    return points - points.mean(axis=0) + (200, 220, 0)


def write_pts(path: Path, points: np.ndarray, count: int = LANDMARKS) -> None:
    lines = "".join(f"{x:.6f} {y:.6f} \n" for x, y in points + 1)  # they count from 1
    path.write_text(f"version: 1\nn_points:  {count}\n{{\n{lines}}}\n")


def write_300w(root: Path, together: bool) -> dict[str, list[np.ndarray]]:
    """The folders as downloaded, or renamed as the authors of the Recombinator Networks have them."""
    rng = np.random.default_rng(3)
    written: dict[str, list[np.ndarray]] = {}
    for part, count in PARTS.items():
        above = "" if not together else "Test_set" if "test" in part or part == "ibug" else "Train_set"
        folder = root / above / (part.replace("/", "_") if together else part)
        folder.mkdir(parents=True)
        for number in range(count):
            points = np.round(turned(rng.uniform(-20, 20))[:, :2] + rng.uniform(-9, 9, 2), 4)
            picture = np.full((400, 420, 3), 10 * number, np.uint8)
            x, y = np.rint(points[NOSE_TIP]).astype(int)
            picture[y - 2 : y + 3, x - 2 : x + 3] = 0, 0, 255
            write_pts(folder / f"image_{number:04d} _1.pts", points)
            cv2.imwrite(str(folder / f"image_{number:04d} _1.{'png' if 'lfpw' in part else 'jpg'}"), picture)
            written.setdefault(part, []).append(points)
    return written


@pytest.mark.parametrize("together", [False, True])
def test_300w_comes_back_as_it_was_written(tmp_path: Path, together: bool) -> None:
    written = write_300w(tmp_path, together)
    for read, parts, held_out in (
        (w300.training, w300.TRAINING, False),
        (w300.common, w300.COMMON, True),
        (w300.ibug, w300.IBUG, True),
    ):
        faces = read(tmp_path)
        truth = np.concatenate([written[part] for part in parts])
        np.testing.assert_allclose(faces.points[:, :LANDMARKS], truth, atol=1e-4)
        assert np.isnan(faces.points[:, LANDMARKS:]).all()
        rows = faces.testing() if held_out else faces.training()
        assert rows.tolist() == list(range(len(truth)))
        for row in rows:
            x, y = np.rint(truth[row, NOSE_TIP]).astype(int)
            red, green, blue = faces.picture(row)[y, x].astype(int)
            assert red > 180 and max(green, blue) < 80  # the points mark the same pixels as before
            assert faces.grey(row).shape == (400, 420)


def cut_short(path: Path) -> None:
    path.write_text(path.read_text()[:120])


def without_a_point(path: Path) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:10] + lines[11:]))


def with_a_word(path: Path) -> None:
    path.write_text(path.read_text().replace("{\n", "{\nnose tip\n"))


def with_a_hole(path: Path) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:10], "nan nan", *lines[11:]]))


def in_binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


def photo_of_nothing(path: Path) -> None:
    path.with_suffix(".jpg").write_bytes(b"not a picture")


def without_photo(path: Path) -> None:
    path.with_suffix(".jpg").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_short, "is not a .pts file"),
        (without_a_point, "has 67 points, not 68"),
        (with_a_word, "cannot be read"),
        (with_a_hole, "missing or not finite"),
        (in_binary, "cannot be read"),
        (photo_of_nothing, "is not a picture"),
        (without_photo, "no photo"),
    ],
)
def test_300w_names_the_file_that_is_damaged(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    write_300w(tmp_path, together=False)
    damaged = tmp_path / "ibug" / "image_0000 _1.pts"
    damage(damaged)
    with pytest.raises(InputError, match=message) as error:
        w300.ibug(tmp_path)
    assert damaged.stem in str(error.value) and "\n" not in str(error.value)


def test_300w_says_which_folder_is_missing_and_which_photo_breaks_off(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="afw"):
        w300.training(tmp_path)
    write_300w(tmp_path, together=False)
    faces = w300.ibug(tmp_path)
    photo = tmp_path / "ibug" / "image_0000 _1.jpg"
    photo.write_bytes(photo.read_bytes()[:20])
    with pytest.raises(InputError, match="Picture 0 of the set 300W cannot be decoded"):
        faces.picture(0)
    photo.unlink()
    with pytest.raises(InputError, match="image_0000"):
        faces.picture(0)


def write_aflw2000(root: Path, yaws: list[float]) -> list[np.ndarray]:
    """Points in the set's own axes: from 1, z towards the camera, yaw towards image left, radians."""
    heads = [turned(yaw) for yaw in yaws]
    for number, (yaw, points) in enumerate(zip(yaws, heads, strict=True)):
        pose = np.deg2rad([[3.0, -yaw, 1.0, 0, 0, 0, 0]])
        content = {"pt3d_68": (points * (1, 1, -1) + (1, 1, 0)).T, "Pose_Para": pose, "Color_Para": np.zeros((1, 7))}
        savemat(root / f"image{number:05d}.mat", content)
    return heads


def test_aflw2000_has_the_projects_axes(tmp_path: Path) -> None:
    yaws = [-70.0, -30.0, 0.0, 25.0, 80.0]
    heads = write_aflw2000(tmp_path, yaws)
    faces = aflw2000.read(tmp_path)
    np.testing.assert_allclose(faces.points, heads)
    np.testing.assert_allclose(faces.yaw, yaws, atol=1e-9)
    assert faces.names[1] == "image00001" and set(faces.looks) == {""}
    eyes = faces.points[:, [36, 45]].mean(axis=1)
    aside = faces.points[:, NOSE_TIP, 0] - eyes[:, 0]
    assert (np.sign(aside[[0, 1, 3, 4]]) == [-1, -1, 1, 1]).all()  # yaw > 0: the nose to image right
    assert (faces.points[1:4, NOSE_TIP, 2] < eyes[1:4, 2]).all()  # and nearer than the eyes: smaller z
    np.testing.assert_allclose(faces.in_pictures() * 450, heads)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"pt3d_68": np.zeros((3, 68))}, "no Pose_Para"),
        ({"pt3d_68": np.zeros((3, 67)), "Pose_Para": np.zeros((1, 7))}, "has 67 points, not 68 of 3"),
        ({"pt3d_68": np.zeros((2, 68)), "Pose_Para": np.zeros((1, 7))}, "no list of points, not 68 of 3"),
        ({"pt3d_68": np.full((3, 68), np.nan), "Pose_Para": np.zeros((1, 7))}, "missing or not finite"),
        (None, "cannot be read"),
    ],
)
def test_aflw2000_names_the_file_that_is_damaged(
    tmp_path: Path, content: dict[str, np.ndarray] | None, message: str
) -> None:
    write_aflw2000(tmp_path, [0.0, 10.0])
    damaged = tmp_path / "image00001.mat"
    if content is None:
        damaged.write_bytes(b"MATLAB, but not really" * 20)
    else:
        savemat(damaged, content)
    with pytest.raises(InputError, match=message) as error:
        aflw2000.read(tmp_path)
    assert "image00001" in str(error.value) and "\n" not in str(error.value)


def test_depths_that_point_both_ways_are_refused(tmp_path: Path) -> None:
    write_aflw2000(tmp_path, [0.0] * 4)
    points = turned(0.0)
    savemat(tmp_path / "image00003.mat", {"pt3d_68": points.T, "Pose_Para": np.zeros((1, 7))})
    with pytest.raises(InputError, match="both ways"):
        aflw2000.read(tmp_path)
    with pytest.raises(InputError, match=r"No \.mat files"):
        aflw2000.read(tmp_path / "nowhere")


def write_threedfaw(root: Path, towards_camera: bool) -> dict[str, np.ndarray]:
    heads = {f"face{number}": turned(yaw) for number, yaw in enumerate((-40.0, 0.0, 35.0, 10.0))}
    for folder in ("train_lm", "train_img", "valid_lm", "valid_img"):
        (root / folder).mkdir()
    for part in ("train", "valid"):
        for name, points in heads.items():
            marked = (points * (1, 1, -1 if towards_camera else 1))[OF_66]
            text = "".join(",".join(f"{value:.9f}" for value in point) + "\n" for point in marked)
            (root / f"{part}_lm" / f"{name}_lm.csv").write_text(text)
            cv2.imwrite(str(root / f"{part}_img" / f"{name}.jpg"), np.zeros((400, 500, 3), np.uint8))
    lines = ["face2,test,right", "face0,test,left", "face1,test,center", "face3,valid"]
    (root / "list_valid_test.txt").write_text("\n".join(lines) + "\n")
    return heads


@pytest.mark.parametrize("towards_camera", [False, True])
def test_3dfaw_is_filled_to_68_points_and_z_points_away(tmp_path: Path, towards_camera: bool) -> None:
    heads = write_threedfaw(tmp_path, towards_camera)
    faces = threedfaw.read(tmp_path, "test")
    assert faces.names == ("face2", "face0", "face1") and faces.looks.tolist() == ["right", "left", "front"]
    truth = np.stack([to_68(heads[name][OF_66]) for name in faces.names])
    np.testing.assert_allclose(faces.points, truth, atol=1e-6)
    assert faces.size.tolist() == [[500.0, 400.0]] * 3
    np.testing.assert_allclose(faces.in_pictures(), truth / (500, 400, 450), atol=1e-8)
    assert len(threedfaw.read(tmp_path, "train").names) == 4
    assert threedfaw.read(tmp_path, "valid").names == ("face3",)


def test_3dfaw_names_the_file_that_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train_lm"):
        threedfaw.read(tmp_path, "train")
    with pytest.raises(InputError, match="list_valid_test"):
        threedfaw.read(tmp_path, "test")
    write_threedfaw(tmp_path, towards_camera=False)
    listed = tmp_path / "list_valid_test.txt"
    before = listed.read_text()
    for text, message in ((before + "face3,test\n", "'face3,test'"), ("face3,valid\n", "no line for test")):
        listed.write_text(text)
        with pytest.raises(InputError, match=message):
            threedfaw.read(tmp_path, "test")
    listed.write_text(before)
    marks = tmp_path / "valid_lm" / "face1_lm.csv"
    whole = marks.read_text()
    for text, message in (
        ("\n".join(whole.splitlines()[:-1]), "has 65 points, not 66"),
        (whole.replace(",", ";"), "cannot be read"),
        ("nan,nan,nan\n" * 66, "missing or not finite"),
    ):
        marks.write_text(text)
        with pytest.raises(InputError, match=message) as error:
            threedfaw.read(tmp_path, "test")
        assert "face1" in str(error.value) and "\n" not in str(error.value)
    marks.write_text(whole)
    (tmp_path / "valid_img" / "face0.jpg").unlink()
    with pytest.raises(InputError, match=r"face0 has landmarks but no photo"):
        threedfaw.read(tmp_path, "test")


def test_the_depth_protocol_takes_75_faces_of_each_kind_from_either_set(tmp_path: Path) -> None:
    yaws = np.concatenate([np.linspace(side - 10, side + 10, 80) for side in (0.0, 40.0, -40.0)])
    heads = np.stack(write_aflw2000(tmp_path, yaws.tolist()))
    protocol = depth_protocol.of_aflw2000(tmp_path)
    assert protocol.points.shape == (3 * PER_SUBSET, LANDMARKS, 3)
    for side, points in zip((-40, 0, 40), protocol.points.reshape(3, PER_SUBSET, LANDMARKS, 3), strict=True):
        own = heads[np.abs(yaws - side) <= 10] / 450
        apart = np.abs(points[:, None] - own).max(axis=(2, 3)).min(axis=1)
        assert apart.max() < 1e-9

    root = tmp_path / "3dfaw"
    root.mkdir()
    write_threedfaw(root, towards_camera=True)
    names = ("face0", "face1", "face2")
    looks = ("left", "center", "right")
    listed = root / "list_valid_test.txt"
    listed.write_text("face0,test,left\n")
    with pytest.raises(InputError, match="1 looking left, 0 looking front, 0 looking right"):
        depth_protocol.of_threedfaw(root)
    lines = []
    for name, side in zip(names, looks, strict=True):
        for number in range(PER_SUBSET):
            for folder, ending in (("valid_lm", "_lm.csv"), ("valid_img", ".jpg")):
                (root / folder / f"{name}_{number}{ending}").symlink_to(root / folder / f"{name}{ending}")
            lines.append(f"{name}_{number},test,{side}")
    listed.write_text("\n".join(reversed(lines)))
    protocol = depth_protocol.of_threedfaw(root)
    noses = protocol.points.reshape(3, PER_SUBSET, LANDMARKS, 3)[:, :, NOSE_TIP, 0]
    assert (noses[0] < noses[1]).all() and (noses[1] < noses[2]).all() and SUBSETS == ("left", "front", "right")


def test_the_depth_protocol_wants_a_set() -> None:
    with pytest.raises(InputError, match="--aflw2000"):
        depth_protocol.train(depth_protocol.Config())
