"""The options of `run_live.py`, as a person writes them. Imports nothing heavy: `--help` answers at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from realtime.controls import Mode

# Where None means "decide from the rest", the help text says what is decided: no "(default: None)".
Pixels = Annotated[int | None, tyro.conf.arg(metavar="PIXELS", help_behavior_hint="")]
Number = Annotated[float | None, tyro.conf.arg(metavar="NUMBER", help_behavior_hint="")]
Count = Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")]
File = Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")]
Folder = Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")]
Repair = Annotated[
    Literal["off", "fast", "full"] | None, tyro.conf.arg(metavar="{off,fast,full}", help_behavior_hint="")
]
ChosenMode = Annotated[
    Mode | None, tyro.conf.arg(metavar="MODE", help_behavior_hint=""), tyro.conf.EnumChoicesFromValues
]
Faces = Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATH [PATH ...]", help_behavior_hint="")]
Sinks = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="SINK", help_behavior_hint="")]
Address = Annotated[str | None, tyro.conf.arg(metavar="HOST:PORT", help_behavior_hint="")]
Shares = Annotated[tuple[float, float, float, float] | None, tyro.conf.arg(metavar="X Y W H", help_behavior_hint="")]
Limits = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME=NUMBER")]
Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff, tyro.conf.arg(help_behavior_hint="")]


@dataclass(frozen=True)
class SourceGroup:
    """Where the picture comes from."""

    source: str = "auto"
    """auto (a camera, else the demo), camera, camera:NUMBER, camera:NAME, a video file or address, an image,
    images:FOLDER, kinect1:NUMBER (Kinect v1; with :ir its infrared), kinect2, azure or orbbec (:NUMBER),
    rgbd:FOLDER (recorded colour and depth), or demo (two public-domain portraits, moved as if by hand)."""
    width: Pixels = None
    """Picture width asked of a camera."""
    height: Pixels = None
    """Picture height asked of a camera."""
    rate: Number = None
    """Frames per second asked of a camera."""
    seconds: Number = None
    """Stop after this much of the source."""
    lost_after: float = 10.0
    """Seconds to wait for a camera that was pulled out, then give up (exit code 3)."""
    calibration: File = None
    """Kinect: its own calibration.json. Default: what Kinects usually have."""
    save_kinect: Folder = None
    """Kinect v1: keep everything it gives here, in the format of libfreenect's fakenect."""
    list_devices: Flag = False
    """List the cameras with their formats, sizes and rates, and end."""


@dataclass(frozen=True)
class FaceGroup:
    """What is done with a face. Keys change it while it runs: press h in the window."""

    mode: ChosenMode = None
    """rotate, frontalise, swap, depth, normals, mesh, landmarks, monitor or off. Default: swap where --face is given
    and in the demo, monitor where an option of the monitor asks for it, else rotate."""
    face: Faces = ()
    """Faces to swap in: photos, a clip, or a folder of either with several views of one person; one each for several
    live faces. Default: two public-domain portraits."""
    yaw: float = 0.0
    """rotate: degrees to turn the face to the right of the image."""
    pitch: float = 0.0
    """rotate: degrees to turn it up."""
    roll: float = 0.0
    """rotate: degrees to tilt it clockwise."""
    relight: Flag = False
    """normals: show the face as a lamp lights it that stands at --yaw and --pitch (move it with the mouse)."""
    sweep: Flag = False
    """rotate: swing from side to side. Default where no angle is given."""
    expression: float = 1.0
    """swap: how much of the live expression is drawn."""
    shape: Number = None
    """swap: how much of the live face's shape is drawn. Default: 1 along the jaw, 0.3 inside."""
    repair: Repair = None
    """The network that makes a swapped or turned face belong to the picture: fast takes a tile of 128 pixels, full one
    of 256, whose outline is finer. Behind a camera it gives way where frames get lost. Default: fast; behind a camera
    where there is time for it."""
    max_faces: Count = None
    """How many faces are followed, 1 to 8. Default: 1; in monitor 3, of which one is the driver."""
    on_lost: Literal["blur", "hold", "pass"] = "blur"
    """swap: what is shown of a face that is lost; pass shows the live face."""
    no_occlusion: Flag = False
    """swap: draw over hands, hair and glasses in front of the live face, too."""


@dataclass(frozen=True)
class OutputGroup:
    """Where the picture goes."""

    sink: Sinks = ()
    """window, virtual[:DEVICE] (a virtual camera), a .mp4, .mov, .mkv or .webm file, png:FOLDER, rgbd:FOLDER (colour
    and depth as they came), udp://HOST:PORT, rtmp://ADDRESS, or null. Give it again for several at once. Default: the
    window, or out/facet.mp4 where there is no display."""
    mirror: Flag = False
    """Mirror the window (and nothing else)."""
    no_badge: Flag = False
    """Leave out the visible mark on synthetic pictures."""
    save_depth: Folder = None
    """Write depth here, a 16-bit PNG a frame: millimetres from the sensor, or of the face by its mesh."""
    save_normals: Folder = None
    """Write normals here, a 16-bit PNG a frame."""
    report: File = None
    """Write the run's figures here, as JSON."""
    tracks: File = None
    """Write faces, landmarks, poses and affines here, one line of JSON a frame."""


@dataclass(frozen=True)
class MonitorGroup:
    """Watching a driver: what mode monitor needs and gives."""

    events: File = None
    """Write states, alerts, blinks and yawns here, one line of JSON each."""
    drive_report: File = None
    """Write a page with plots of the drive here when it ends (HTML)."""
    opentrack: Address = None
    """Send the head's place and pose there over UDP, as opentrack takes it."""
    alert_sound: bool = True
    """Sound alerts, where the source is live."""
    driver_region: Shares = None
    """Where the driver sits, in shares of the picture. Default: the largest face."""
    focal: Number = None
    """The camera's focal length in pixels. Default: that of a view of 60 degrees."""
    limit: Limits = ()
    """From when on there is an alert, e.g. --limit glance_s=1.5; the guide lists the names. Give it again for more."""


@dataclass(frozen=True)
class PerformanceGroup:
    """How it is computed."""

    runtime: Literal["auto", "cpu", "openvino", "tensorrt", "torch"] = "auto"
    """What runs the networks: openvino (or cpu) on the CPU, tensorrt or torch on an NVIDIA GPU. What is asked for and
    cannot be had is an error. Default: openvino."""
    threads: Count = None
    """CPU threads per network. Default: one for every two cores."""
    debug: Flag = False
    """Show a traceback where something fails."""


@dataclass(frozen=True)
class Options:
    """Real-time face video: turn, swap or measure a face, from a camera or file to a window, virtual camera or file."""

    source: tyro.conf.OmitArgPrefixes[SourceGroup]
    face: tyro.conf.OmitArgPrefixes[FaceGroup]
    output: tyro.conf.OmitArgPrefixes[OutputGroup]
    monitor: tyro.conf.OmitArgPrefixes[MonitorGroup]
    performance: tyro.conf.OmitArgPrefixes[PerformanceGroup]


def parse(arguments: list[str] | None = None) -> Options:
    """Options from the command line; prints help or what is wrong with it and raises SystemExit (2)."""
    return tyro.cli(Options, prog="run_live.py", args=arguments)
