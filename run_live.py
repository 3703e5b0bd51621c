"""Facet's live program: turns, swaps or measures a face in live or recorded video. `--help` tells the rest."""

from __future__ import annotations

import sys
import threading
import traceback

from realtime.stop import StopSignal


def main() -> int:
    """Run the program.

    Returns:
        the exit code: 0, 1 (a bug), 2 (bad arguments or input), 3 (a device was lost).
    """
    with StopSignal() as stop:  # before anything that takes time, so that Ctrl-C ends cleanly at any moment
        return run(stop.requested)


def run(stop: threading.Event) -> int:
    """Do what the command line says until `stop` is set; failures are told in one sentence."""
    from realtime.errors import FacetError
    from realtime.options import parse

    options = parse()
    failure: Exception
    try:
        from realtime import program  # late, so that --help is quick

        if options.source.list_devices:
            program.list_cameras()
            return 0
        return program.run(options, stop)
    except FacetError as error:
        failure, message, code = error, str(error), error.exit_code
    except Exception as error:  # noqa: BLE001  a bug: a sentence for the person, the traceback on request
        failure, code = error, 1
        message = f"internal error: {error!r}; run it again with --debug and report what it shows."
    if options.performance.debug:
        traceback.print_exception(failure)
    print(message, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
