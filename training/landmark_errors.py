"""How good the landmark network is on the held-out people: `python -m training landmarks --evaluate` prints this.

Errors beside the peers', how far its two scores can be trusted, and who it works worse for; all of it goes to
docs/results, too. Jitter and lag are `python -m bench jitter`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import engines
from bench.machine import machine
from realtime.analysis.detector import Detector
from realtime.analysis.landmarks import LandmarkNet
from realtime.analysis.networks import CANDIDATE
from training import data
from training.calibration import Scores, Trust, confidence_target, scores_of, trust_figure, trust_of, trust_text
from training.landmark_groups import Groups, group_figure, group_table, traits_of
from training.landmark_table import (
    Results,
    Score,
    aside_table,
    ced_figure,
    error_table,
    held_out_sets,
    look_times,
    offsets_by_detector,
    offsets_by_jitter,
)
from training.peers import Ours, load_peers

__all__ = ["confidence_target", "report"]

COMMAND = "python -m training landmarks --evaluate"
THREADS = 2
DPI = 100
FILES = ("faces_300w.npz", "faces_ytf.npz", "faces_video.npz", "pfld.onnx", "lm_model0_opt.onnx")


def report(net: LandmarkNet, out: Path = Path("docs/results")) -> None:
    """Measures `net` and its peers; prints `landmarks.md` and writes it with its plots to the folder `out`.

    Raises:
        InputError: the data folder is not there.
    """
    out.mkdir(parents=True, exist_ok=True)
    sets = held_out_sets()
    ours, (pfld, wide, openseeface) = Ours(net), load_peers(THREADS)
    everyone = [ours, pfld, wide, openseeface]
    detector = Detector(engines.load("detector", threads=THREADS), CANDIDATE)
    live = {held_out.name: offsets_by_detector(everyone, detector, held_out) for held_out in sets}
    alone = {held_out.name: offsets_by_jitter(everyone, held_out) for held_out in sets}
    picture, points, _ = next(iter(sets[0]))
    times = look_times(everyone, picture, points)
    trust, scores = trust_of(net, sets[:2]), scores_of(net, sets)
    named = [estimator.name for estimator in (ours, pfld, openseeface)]
    depthnet = engines.load("depthnet", threads=THREADS)
    groups = {
        held_out.name: (traits_of(held_out, depthnet), {name: live[held_out.name][name] for name in named})
        for held_out in sets
        if held_out.people
    }
    ced_figure(live).savefig(out / "landmarks_ced.png", dpi=DPI)
    trust_figure(trust, scores).savefig(out / "landmarks_trust.png", dpi=DPI)
    group_figure(groups).savefig(out / "landmarks_groups.png", dpi=DPI)
    parts = [_heading(), *_errors(live, alone, times, net.precision), *_trust(trust, scores), *_groups(groups)]
    text = "\n\n".join(parts) + "\n"
    print(text)
    (out / "landmarks.md").write_text(text, encoding="utf-8")


def _heading() -> str:
    data_files = [data.folder() / name for name in FILES]
    network = _revision([engines.WEIGHTS / "landmarks.onnx"])
    return (
        f"# Landmarks on held-out people\n\n`{COMMAND}` on {machine()}; network {network}, data "
        f"{_revision(data_files)}.\n\nErrors in percent of the distance of the outer eye corners. OpenSeeFace has 66 "
        "points, not the inner mouth corners, and its jaw is that of the head, not the visible outline. PFLD may have "
        "been trained on HELEN and AFW; the video labels are half PFLD's own; ytf labels are coarse."
    )


def _revision(files: list[Path]) -> str:
    """The first digits of the SHA-256 of the files one after the other."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _errors(live: Results, alone: Results, times: dict[str, float], precision: str) -> list[str]:
    scores = {title: Score.of(next(iter(networks.values()))) for title, networks in live.items()}
    missed = ", ".join(f"{score.missed} of {score.faces} in {title}" for title, score in scores.items())
    return [
        "## Boxes from the detector, two looks as in the live loop",
        error_table(live),
        f"Faces the detector missed count as failures, not in the means: {missed}. 95th percentile, failures and AUC "
        '(the area under the curves below, up to 10 %) are of each face\'s mean over 66 points; "aligned" is their '
        "mean after the constant offset between a network and the labels of that set is taken out.",
        "![Cumulative error distributions](landmarks_ced.png)",
        "## One look, boxes off by ±5°, 6 %, 3 % (standard deviations)",
        error_table(alone),
        f"One look (crop, network, decoding) takes, in OpenVINO (ours {precision}, the others float32), median: "
        + ", ".join(f"{name} {value:.1f} ms" for name, value in times.items())
        + ".",
        "## The labels lean to the right",
        "A network averaged with its mirror image cannot lean to a side, yet the labels lie to the image right of what "
        "each of them finds. What learned from such labels leans along, ours by HELEN's share (`training/lean.py`): "
        'averaging with the mirror image takes that out, and the errors above grow. "aligned" forgives any lean.',
        aside_table(live),
    ]


def _trust(trust: Trust, scores: Scores) -> list[str]:
    return [
        "## How far confidence and face score can be trusted",
        f"{trust.confidence.size} points of jittered crops of the held-out photos, half of them degraded, by tenths of "
        "the confidence.",
        trust_text(trust, scores),
        "![Reliability, error by confidence, ROC](landmarks_trust.png)",
    ]


def _groups(groups: Groups) -> list[str]:
    return [
        "## Who it works worse for",
        "Mean error over 66 points, boxes from the detector, with 95 % bootstrap intervals over people. Yaw is "
        "DepthNet's, from the true points. Skin tone is the apparent one: the Individual Typology Angle of the cheeks "
        "as the picture shows them, the median over a person's pictures; colourless pictures are left out. Light, "
        "exposure, white balance and make-up count as skin: looked at by eye, the darkest class holds people of dark "
        "skin and people of light skin in poor light in about equal parts. So it tells how the network does where a "
        "face appears dark, no more, and nothing of a person's origin.",
        group_table(groups),
        "![Error by yaw and by apparent skin tone](landmarks_groups.png)",
    ]
