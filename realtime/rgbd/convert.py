"""Recordings of other programs and sets into a folder for `--source rgbd:FOLDER`.

python -m realtime.rgbd.convert fakenect RECORDING FOLDER
python -m realtime.rgbd.convert biwi SEQUENCE FOLDER
python -m realtime.rgbd.convert rap3df rap3df_2019.npz FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import tyro
from rich.progress import track

from realtime.errors import FacetError, InputError
from realtime.frame import Intrinsics, Millimetres
from realtime.rgbd import biwi as biwi_set
from realtime.rgbd import fakenect as recorded
from realtime.rgbd import kinect1
from realtime.rgbd.calibration import Calibration, read_calibration
from realtime.rgbd.recording import RecordingWriter
from realtime.sources.image import read_image

_BIWI_RATE = 30.0  # frames that are missing keep their place
_RAP3DF_FOCAL = 365.0  # inferred from the size of faces; the set does not say


def fakenect(
    source: tyro.conf.Positional[Path], folder: tyro.conf.Positional[Path], calibration: Path | None = None
) -> None:
    """A recording of fakenect or of --save-kinect.

    Args:
        source: the folder with INDEX.txt.
        folder: where the recording goes.
        calibration: a calibration.json of that Kinect; without it, that of a usual one.
    """
    entries = [entry for entry in recorded.entries(source) if entry.kind in "rd"]
    times = np.array(list(recorded.unwrapped((entry.stamp for entry in entries), kinect1.TICKS_PER_S)))
    times -= times.min() if len(times) else 0
    known = read_calibration(calibration) if calibration else kinect1.CALIBRATION
    with RecordingWriter(folder, known, {"from": "fakenect"}) as writer:
        for entry, time_s in track(list(zip(entries, times, strict=True)), "fakenect"):
            if entry.kind == "r":
                writer.add_colour(recorded.read_colour(entry.path), float(time_s))
            else:
                writer.add_depth(kinect1.millimetres(recorded.read_depth(entry.path)), float(time_s))


def biwi(source: tyro.conf.Positional[Path], folder: tyro.conf.Positional[Path]) -> None:
    """A sequence of the Biwi Kinect Head Pose set.

    Args:
        source: the folder with frame_00003_rgb.png and so on.
        folder: where the recording goes.
    """
    frames = list(biwi_set.frames(source))
    if not frames:
        raise InputError(f"{source} holds no frame_NNNNN_rgb.png with its _depth.bin: name a sequence of the set.")
    with RecordingWriter(folder, biwi_set.read_calibration(source), {"from": "Biwi"}) as writer:
        for frame in track(frames, "biwi"):
            time_s = (frame.number - frames[0].number) / _BIWI_RATE
            writer.add_colour(read_image(frame.colour), time_s)
            writer.add_depth(biwi_set.read_depth(frame.depth), time_s)


def rap3df(source: tyro.conf.Positional[Path], folder: tyro.conf.Positional[Path]) -> None:
    """RAP3DF as packed in rap3df_2017.npz and rap3df_2019.npz: pictures that stand for themselves.

    Args:
        source: the .npz file.
        folder: where the recording goes.
    """
    try:
        with np.load(source, allow_pickle=False) as pack:
            pictures, codes = pack["rgb"], pack["depth_code"]
            names = [f"{person}_{pose}" for person, pose in zip(pack["person"], pack["pose"], strict=True)]
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise InputError(f"{source} is no pack of RAP3DF that can be read ({error}): fetch it again.") from error
    size = (pictures.shape[2], pictures.shape[1])
    seen = Intrinsics(_RAP3DF_FOCAL, _RAP3DF_FOCAL, (size[0] - 1) / 2, (size[1] - 1) / 2)
    with RecordingWriter(folder, Calibration.registered(size, seen), {"from": "RAP3DF"}) as writer:
        for index, (pixels, code) in enumerate(track(list(zip(pictures, codes, strict=True)), "rap3df")):
            name = f"{index:04d}_{names[index]}"
            writer.add_colour(np.ascontiguousarray(pixels), name)
            writer.add_depth(rap3df_millimetres(code), name)


def rap3df_millimetres(code: np.ndarray) -> Millimetres:
    """Millimetres of RAP3DF's depth of 8 bits: steps of 4 mm below 1024 mm, of 8 above; 0 stays 0."""
    level = code.astype(np.float64)
    depth = np.where(code < 128, 512 * (1 + level / 128), 1024 * (1 + (level - 128) / 128))
    return np.where(code > 0, np.rint(depth), 0).astype(np.uint16)


def main() -> int:
    """Run what the command line says; returns the exit code."""
    try:
        tyro.extras.subcommand_cli_from_dict({"fakenect": fakenect, "biwi": biwi, "rap3df": rap3df})
    except FacetError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
