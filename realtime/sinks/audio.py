"""The sound of a source file, copied beside the picture that is recorded from it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from realtime.sinks.encode import TICKS

_USUAL_RATE = 48_000


class AudioTrack:
    """Feeds the first audio stream of a file into an output container, in step with its video.

    Packets are copied as they are where the container takes their codec, else encoded anew. Zero seconds is the
    first picture of the file's video, as in `Frame.time_s`; sound before it is left out.
    """

    def __init__(self, source: InputContainer, output: OutputContainer, codec: str) -> None:
        """`codec` is used where copying is impossible. Adds the stream; `source` is closed by `close`."""
        self._source = source
        self._input: AudioStream = source.streams.audio[0]
        self._start = _video_start(source)
        if _fits(output, self._input):
            self._output = output.add_stream_from_template(self._input)
            self._packets = self._copied()
        else:
            # what every encoder takes; PyAV resamples and mixes down to it
            layout = "mono" if self._input.layout.nb_channels == 1 else "stereo"
            self._output = cast(AudioStream, output.add_stream(codec, rate=_USUAL_RATE, layout=layout))
            self._packets = self._encoded()
        self._container = output
        self._next: Packet[AudioStream] | None = None

    @classmethod
    def open(cls, path: Path | None, output: OutputContainer, codec: str) -> AudioTrack | None:
        """The track of `path`, or None where there is no file or no sound in it."""
        if path is None:
            return None
        source = av.open(str(path))
        if not source.streams.audio:
            source.close()
            return None
        return cls(source, output, codec)

    def copy_until(self, time_s: float) -> None:
        """Write all packets that begin before `time_s` and were not written yet."""
        while True:
            if self._next is None:
                self._next = next(self._packets, None)
            if self._next is None or _begin(self._next) >= time_s:
                return
            packet, self._next = self._next, None
            self._container.mux(packet)

    def close(self) -> None:
        self._source.close()

    def _demuxed(self) -> Iterator[Packet[AudioStream]]:
        try:
            yield from self._source.demux(self._input)
        except av.FFmpegError:
            return  # the file is cut off here: the sound ends, the picture may go on

    def _copied(self) -> Iterator[Packet[AudioStream]]:
        for packet in self._demuxed():
            if packet.pts is None or packet.dts is None or packet.time_base is None:
                continue
            shift = round(self._start / packet.time_base)
            if packet.pts < shift:
                continue
            packet.pts -= shift
            packet.dts = packet.pts  # sound is never reordered
            packet.stream = self._output
            yield packet

    def _encoded(self) -> Iterator[Packet[AudioStream]]:
        for packet in self._demuxed():
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                continue  # a damaged packet is a gap in the sound
            for frame in frames:
                if frame.pts is None or frame.time_base is None:
                    continue
                shift = round(self._start / frame.time_base)
                if frame.pts >= shift:
                    frame.pts -= shift
                    yield from self._output.encode(frame)
        yield from self._output.encode(None)


def _begin(packet: Packet[AudioStream]) -> float:
    return float((packet.pts or 0) * (packet.time_base or Fraction(1, TICKS)))


def _video_start(source: InputContainer) -> Fraction:
    if not source.streams.video:
        return Fraction(0)
    video = source.streams.video[0]
    return Fraction(video.start_time or 0) * (video.time_base or Fraction(1))


def _fits(output: OutputContainer, audio: AudioStream) -> bool:
    """Whether packets can be copied as they are."""
    context = audio.codec_context
    if context.name not in output.supported_codecs:
        return False
    if output.format.name == "mp4" and context.name.startswith("pcm_"):
        return False  # FFmpeg lists the codecs of the whole family of formats, but MP4 has no tag for most PCM
    # AAC of broadcasts describes itself in every packet instead of once, which a file's head needs.
    return context.name != "aac" or bool(context.extradata)
