"""Table 3: every way to a depth side by side, with the keypoint error its affine leaves."""

from __future__ import annotations

from training.tables.depth_corr import Scores
from training.tables.depth_rows import Measured
from training.tables.markdown import markdown
from training.tables.protocol import SUBSETS

PUBLISHED = {
    "true depth": ("-", "-", "-", "8.86 ± 6.55"),
    "AIGN": ("44.08", "50.81", "49.04", "9.06 ± 6.61"),
    "MOFA (134 pictures)": ("11.14", "15.97", "17.54", "8.75 ± 6.33"),
    "DepthNet": ("27.36", "26.32", "22.34", "7.65 ± 6.97"),
    "DepthNet + GAN": ("59.69", "58.68", "59.76", "8.74 ± 6.24"),
}


def table3(measured: list[Measured], notes: list[str]) -> str:
    """The whole table in Markdown, with notes on how its networks were trained."""
    parts = ["## Table 3: DepthCorr and keypoint errors of all methods", "", _HOW]
    columns = ["", *SUBSETS, "raw, all", "centred, all", "canonical, all", "Pearson", "MSE x 1e-5"]
    for one in measured:
        rows = [[name, *_cells(scores)] for name, scores in one.scores.items()]
        parts += ["", f"{one.protocol.name}:", "", markdown(columns, rows)]
    published = markdown(["", *SUBSETS, "MSE x 1e-5"], [[name, *row] for name, row in PUBLISHED.items()])
    parts += ["", "As published (3DFAW; other faces, other pictures):", "", published, ""]
    return "\n".join([*parts, *(f"* {note}" for note in notes), ""])


def _cells(scores: Scores) -> list[str]:
    numbers = *scores.raw.mean(axis=1), scores.raw_all, scores.centred_all, scores.canonical_all
    mse = 1e5 * scores.mse
    return [*(f"{number:.1f}" for number in numbers), f"{scores.pearson:.3f}", f"{mse.mean():.2f} ± {mse.std():.2f}"]


_HOW = """Left, front, right: raw DepthCorr of sources looking there, mean over the three subsets of targets, as
published. All: over the 50,400 pairs together; raw against the set's depth as it is, centred against it without each
face's mean (how far away a face is shows in no picture), canonical with both sides free of scale, sign and plane.
Pearson: mean per pair of canonical depths. MSE: per coordinate after the best affine, coordinates divided by the
picture's side; mean and standard deviation over the pairs.

The first row is what the best of shapes gets in raw DepthCorr once its gauge is fixed: a network that learns depth up
to the gauge cannot be expected to have more, the published 59.7 of + GAN included. As neither loss of + GAN sees scale
and plane of its depth, both drift in training: its raw row says nothing of shape, the gauge-fixed row does.

(*) The auto-encoder stands in for MOFA, whose code is not public: a
morphable model as the decoder and no depth in training, but keypoints for pictures."""
