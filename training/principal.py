"""Principal components and linear discriminants of long descriptions."""

from __future__ import annotations

import numpy as np
import torch


class Space:
    """The directions in which descriptions differ most, each value first brought to mean 0 and deviation 1."""

    LEARNED_FROM = 6000
    DIMENSIONS = 900

    def __init__(self, described: np.ndarray) -> None:
        """Learn from (N, D) float32 descriptions, N at least `DIMENSIONS`."""
        self._mean = described.mean(axis=0)
        spread = described.std(axis=0) + 1e-3 * described.std()
        standard = torch.from_numpy((described - self._mean) / spread)
        _, size, directions = torch.svd_lowrank(standard, q=self.DIMENSIONS, niter=2)
        # the strongest direction has deviation 1
        scale = np.sqrt(len(described)) / float(size[0])
        self._basis = (scale * directions.numpy() / spread[:, None]).astype(np.float32)

    def into(self, described: np.ndarray) -> np.ndarray:
        """(N, D) → (N, k)."""
        return np.asarray((described - self._mean) @ self._basis, np.float32)

    def unfolded(self, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m, k) weight and (m,) bias of a linear map of the space → those of the same map of descriptions."""
        whole = weight @ self._basis.T
        return whole.astype(np.float32), (bias - whole @ self._mean).astype(np.float32)


def discriminants(
    described: np.ndarray, person: np.ndarray, count: int, ridge: float = 0.01
) -> tuple[np.ndarray, np.ndarray]:
    """Fisher's linear discriminants: the directions in which people differ most beside what differs in each.

    Each person's scatter counts as the root of the number of their pictures: a few have most of the pictures.

    Args:
        described: (N, k) float32.
        person: (N,) int from 0.
        count: how many directions.
        ridge: share of the mean variance within people that is added in every direction.

    Returns:
        (count, k) weight and (count,) bias, float32, of vectors whose mean over people is 0 and mean length 1.
    """
    pictures = np.bincount(person)
    means = np.zeros((len(pictures), described.shape[1]))
    np.add.at(means, person, described)
    means /= pictures[:, None]
    weight = 1 / np.sqrt(pictures)[person]
    apart = (described - means[person]) * weight[:, None]
    within = apart.T @ apart / (weight**2).sum()
    within += ridge * np.trace(within) / len(within) * np.eye(len(within))
    whiten = np.linalg.inv(np.linalg.cholesky(within)).T
    middle = means.mean(axis=0)
    _, directions = np.linalg.eigh(np.cov((means - middle) @ whiten, rowvar=False))
    found = whiten @ directions[:, ::-1][:, :count]
    found /= np.linalg.norm((means - middle) @ found, axis=1).mean()
    return found.T.astype(np.float32), (-middle @ found).astype(np.float32)
