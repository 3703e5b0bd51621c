"""A recorder of colour and depth as the sensor gave them: `rgbd:FOLDER`."""

from __future__ import annotations

from pathlib import Path

from realtime.errors import OutputError
from realtime.frame import Frame, Intrinsics, Result
from realtime.rgbd.calibration import Calibration
from realtime.rgbd.recording import CALIBRATION, RecordingWriter
from realtime.sinks.base import Sink, SinkOptions


class RgbdSink(Sink):
    """Records what came from the source, not what was drawn on it; read again by `--source rgbd:FOLDER`.

    Depth is stored on the colour picture's pixels. Time stamps are as in a video file. Pictures of an image folder
    keep their names.

    Raises:
        OutputError: the folder cannot be written, holds a recording already, or the source has no depth.
    """

    lossless = True
    recorder = True

    def __init__(self, folder: Path, options: SinkOptions) -> None:
        self.name = f"rgbd:{folder}"
        self._folder, self._live = folder, options.live
        self._writer: RecordingWriter | None = None
        self._begin_s = 0.0
        if (folder / CALIBRATION).exists():
            raise OutputError(f"{folder} holds a recording already: choose another folder.")

    def write(self, result: Result) -> None:
        frame = result.original or result.frame
        if frame.held:
            return
        if self._writer is None:
            self._writer = self._begin(frame)
        at: float | str = frame.name or self._time(frame) - self._begin_s
        self._writer.add_colour(frame.pixels, at)
        if frame.depth is not None:
            self._writer.add_depth(frame.depth, at)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _begin(self, frame: Frame) -> RecordingWriter:
        if frame.depth is None:
            raise OutputError(
                f"{self.name} records depth, and the source gives none: use a depth sensor, or record to out.mkv."
            )
        self._begin_s = self._time(frame)
        intrinsics = frame.intrinsics or Intrinsics.guessed(frame.size)
        return RecordingWriter(self._folder, Calibration.registered(frame.size, intrinsics))

    def _time(self, frame: Frame) -> float:
        return frame.captured if self._live else frame.time_s
