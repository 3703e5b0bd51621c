"""`open_sink`: every kind from its string, and one sentence for what cannot be opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime.errors import OutputError
from realtime.sinks import KINDS, open_sink
from realtime.sinks.base import SinkOptions

OPTIONS = SinkOptions(live=False, rate=30.0)


@pytest.mark.parametrize(
    ("spec", "kind", "lossless"),
    [
        ("null", "NullSink", True),
        ("clip.mp4", "VideoFileSink", True),
        ("clip.MKV", "VideoFileSink", True),
        ("clip.mov", "VideoFileSink", True),
        ("clip.webm", "VideoFileSink", True),
        ("png:pictures", "PngSink", True),
        ("udp://127.0.0.1:9", "StreamSink", False),
        ("rtmp://127.0.0.1/live/key", "StreamSink", False),
    ],
)
def test_kinds(spec: str, kind: str, lossless: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_sink(spec, OPTIONS) as sink:
        assert type(sink).__name__ == kind
        assert sink.lossless is lossless


@pytest.mark.parametrize("spec", ["", "nowhere", "clip.avi", "png:", "null:3", "window:2", "http://host/x", "clip"])
def test_unknown_kinds_are_refused_with_a_list_of_kinds(spec: str) -> None:
    with pytest.raises(OutputError, match="null") as caught:
        open_sink(spec, OPTIONS)
    assert KINDS in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_window_needs_controls() -> None:
    with pytest.raises(OutputError, match="controls"):
        open_sink("window", OPTIONS)


@pytest.mark.parametrize("url", ["udp://host", "udp://:99", "udp://host:port", "udp://host:99999", "rtmp:///live"])
def test_addresses_that_make_no_sense(url: str) -> None:
    with pytest.raises(OutputError, match="lacks a host"):
        open_sink(url, OPTIONS)


def test_reports_do_not_show_a_stream_key() -> None:
    with open_sink("rtmp://example.org/live/secret", OPTIONS) as sink:
        assert "secret" not in sink.name
