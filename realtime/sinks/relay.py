"""Passes an FLV stream from standard input on to an address: `python relay.py rtmp://…`.

A program of its own. FFmpeg connects and shakes hands without a timeout and, inside PyAV, without letting other
Python threads run; here nothing but this process waits for a server, and it can be ended at any moment.
"""

import sys

import av

# The header and the first frame say all there is to know: look no further before passing on.
_AT_ONCE = {"probesize": "65536", "analyzeduration": "100000", "fflags": "nobuffer"}


def relay(url: str) -> None:
    """Copy packets until standard input ends.

    Raises:
        av.FFmpegError: the server cannot be reached, refuses, or went away.
    """
    with (
        av.open("pipe:0", format="flv", container_options=_AT_ONCE) as source,
        av.open(url, "w", format="flv", container_options={"flvflags": "no_duration_filesize"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)


if __name__ == "__main__":
    try:
        relay(sys.argv[1])
    except av.FFmpegError as error:
        sys.exit(error.strerror)
