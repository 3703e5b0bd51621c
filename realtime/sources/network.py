"""Videos behind an address: streams that are live, and files on a server."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlsplit

from realtime.sources.base import Source, SourceOptions
from realtime.sources.feed import open_feed
from realtime.sources.live import LiveInput, Patience
from realtime.sources.video import VideoFile, open_container
from realtime.sources.wrapped import Detached

_LIVE_SCHEMES = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "udp", "rtp", "srt", "tcp"})
_ANSWER_S = 10.0


def open_address(address: str, options: SourceOptions) -> Source:
    """A live stream (rtsp, rtmp, udp, rtp, srt, tcp) or a video file on a server (http, https, ftp, …).

    Raises:
        InputError: nothing answers, or it is no video.
    """
    parts = urlsplit(address)
    # a password stays out of messages
    name = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    if parts.scheme not in _LIVE_SCHEMES:
        return Detached(VideoFile(address, options.loop, _ANSWER_S, name))
    feed = partial(open_feed, partial(open_container, address, _ANSWER_S, name), name)
    return LiveInput(name, feed, Patience(lost=options.lost_after))
