"""A live stream to another program: MPEG-TS over UDP, or RTMP."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import av
from av.container import OutputContainer

from realtime.errors import OutputError
from realtime.frame import Result
from realtime.sinks.base import Sink, SinkOptions
from realtime.sinks.encode import VideoEncoder, x264_options
from realtime.sinks.links import WHOLE_DATAGRAMS, Link, RelayLink, UdpLink, udp_address

_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0
_SETTLED_S = 3.0  # a connection that held so long is a good one: the next wait is short again
_RATE_LIMIT = {"maxrate": "6M", "bufsize": "3M"}
# Tables in front of every key frame, no waiting to sort packets: a viewer may join at any moment.
_AT_ONCE = {
    "flush_packets": "1",
    "max_delay": "0",
    "muxdelay": "0",
    "muxpreload": "0",
}
_FORMAT_OPTIONS = {"mpegts": {"mpegts_flags": "resend_headers"}, "flv": {"flvflags": "no_duration_filesize"}}


class StreamSink(Sink):
    """Sends the picture (no sound) to `udp://HOST:PORT` or `rtmp://…`, and never waits for the far end.

    While it is absent or too slow, frames are left out before they are encoded, so that what arrives stays whole.
    A lost connection is opened anew after 1, 2, 4, … 30 seconds.

    Attributes:
        dropped: frames that were left out.
        problem: what keeps frames from being sent now, in one sentence, or None.

    Raises:
        OutputError: the address makes no sense.
    """

    def __init__(self, url: str, options: SinkOptions) -> None:
        parts = urlsplit(url)
        if parts.scheme == "udp":
            udp_address(url)
        elif not parts.hostname:
            raise OutputError(f"The address {url} lacks a host: write it like rtmp://HOST/APP/KEY.")
        # What follows the host of an RTMP address is a secret key: it has no place in reports.
        self.name = url if parts.scheme == "udp" else f"{parts.scheme}://{parts.hostname}/…"
        self.dropped = 0
        self.problem: str | None = None
        self._url = url
        self._options = options
        self._link: Link | None = None
        self._output: OutputContainer | None = None
        self._encoder: VideoEncoder | None = None
        self._wait_s = _FIRST_WAIT_S
        self._retry_at = 0.0
        self._connected_at = 0.0
        self._first_captured: float | None = None

    def write(self, result: Result) -> None:
        frame = result.frame
        if self._first_captured is None:
            self._first_captured = frame.captured
        if self._link is not None and self._link.lost is not None:
            self._give_up(self._link.lost)
        if self._link is None and time.monotonic() >= self._retry_at:
            self._connect(frame.size)
        if self._link is None or self._output is None or self._encoder is None or not self._link.ready():
            self.dropped += 1
            return
        time_s = frame.captured - self._first_captured if self._options.live else frame.time_s
        self._output.mux(self._encoder.encode(frame.pixels, time_s))
        if time.monotonic() - self._connected_at > _SETTLED_S:
            self._wait_s = _FIRST_WAIT_S
            self.problem = None

    def close(self) -> None:
        if self._output is not None:
            self._output.close()
            self._output = self._encoder = None
        if self._link is not None:
            self._link.close()
            self._link = None

    def _connect(self, size: tuple[int, int]) -> None:
        try:
            link: Link = UdpLink(self._url) if self._url.startswith("udp") else RelayLink(self._url)
        except OSError as error:
            self._give_up(error.strerror or "no address")
            return
        options = _FORMAT_OPTIONS[link.container] | _AT_ONCE
        output = av.open(link, "w", format=link.container, container_options=options, buffer_size=WHOLE_DATAGRAMS)
        output.metadata.update(self._options.metadata)
        settings = x264_options(size) | _RATE_LIMIT
        self._encoder = VideoEncoder(output, "libx264", settings, size, self._options.rate, self._options.pixel_shape)
        self._link, self._output = link, output
        self._connected_at = time.monotonic()

    def _give_up(self, reason: str) -> None:
        self.close()
        self.problem = f"The stream to {self.name} is interrupted ({reason}): trying again in {self._wait_s:.0f} s."
        self._retry_at = time.monotonic() + self._wait_s
        self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
