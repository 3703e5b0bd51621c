"""model.cu as the C++ it nearly is, and what stands round it, beside the host's modeller."""

from __future__ import annotations

import gc

import numpy as np
from model_table import ModelTable, ToneTable, TurnTable

from engines.runtime.base import DeviceArray
from realtime.geometry.mesh import face_mesh
from realtime.geometry.views import vertex_areas
from realtime.gpu.modelling import FAN, _fans
from realtime.gpu.twins import Pool, Twins


class TestModel(ModelTable):
    pass


class TestTone(ToneTable):
    pass


class TestTurn(TurnTable):
    pass


def test_every_triangle_is_in_the_fans_of_its_corners(rng: np.random.Generator) -> None:
    mesh, points = face_mesh(), rng.uniform(0, 9, (len(face_mesh().uv), 2)).astype(np.float32)
    fans = _fans(mesh)
    assert (fans >= 0).all(axis=2).sum() == 3 * len(mesh.triangles)
    assert (fans[:, FAN - 1] == -1).all(), "there is room for one more"
    one, other = points[fans[..., 0]] - points[:, None], points[fans[..., 1]] - points[:, None]
    areas = 0.5 * (one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]) * (fans[..., 0] >= 0)
    np.testing.assert_allclose(areas.sum(axis=1), vertex_areas(mesh, points), rtol=1e-4, atol=1e-3)


def test_a_twin_lives_as_long_as_its_array() -> None:
    twins, pool = Twins(), Pool(object)
    lease = pool.lend()
    room, arrays = lease.room, [np.zeros(3, np.float32) for _ in range(2)]
    there = [DeviceArray(address, (3,), np.dtype(np.float32)) for address in (8, 16)]
    for array, place in zip(arrays, there, strict=True):
        twins.note(array, place, lease)
    del lease
    assert [twins.find(array) for array in arrays] == there
    assert pool.lend().room is not room, "it is in use"
    del arrays[0], array
    gc.collect()
    assert twins.find(arrays[0]) == there[1]
    assert twins.find(np.zeros(3, np.float32)) is None
    arrays.clear()
    twins.find(np.zeros(3, np.float32))
    gc.collect()
    assert any(pool.lend().room is room for _ in range(2)), "nobody has it any more"
