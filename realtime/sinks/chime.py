"""A sound for alerts, by what the system has: never waits, and stays silent rather than fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np

from realtime.frame import Result
from realtime.monitor.reading import Alert
from realtime.sinks.base import Sink

RATE = 22050
# Pitches in hertz of the tones of an alert, and seconds of media time until it sounds again.
TONES: dict[Alert, tuple[tuple[float, ...], float]] = {
    Alert.NOTICE: ((660.0,), 6.0),
    Alert.WARNING: ((880.0, 880.0), 2.0),
    Alert.ALARM: ((1320.0, 990.0, 1320.0, 990.0), 1.0),
}
_TONE_S, _PAUSE_S = 0.14, 0.05
# On Linux the first of these that is there; each plays one file and ends.
_PLAYERS = (("pw-play",), ("paplay",), ("aplay", "-q"))


def tune(pitches: tuple[float, ...]) -> np.ndarray:
    """(N,) int16 samples at `RATE`: tones that swell and fade, one after the other."""
    time_s = np.arange(int(_TONE_S * RATE)) / RATE
    swell = np.sin(np.pi * time_s / _TONE_S) ** 0.5
    pause = np.zeros(int(_PAUSE_S * RATE))
    parts = [part for pitch in pitches for part in (swell * np.sin(2 * np.pi * pitch * time_s), pause)]
    return np.asarray(np.round(0.6 * 32767 * np.concatenate(parts)), np.int16)


def write_wave(path: Path, samples: np.ndarray) -> None:
    """One channel of int16 samples as a .wav file."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, len(samples), "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


class Player:
    """Plays .wav files without waiting for them; one that still sounds is not interrupted."""

    def __init__(self) -> None:
        self._command: tuple[str, ...] | None = None
        self._playing: subprocess.Popen[bytes] | None = None
        if sys.platform == "darwin":
            self._command = ("afplay",)
        elif sys.platform != "win32":
            self._command = next((command for command in _PLAYERS if shutil.which(command[0])), None)

    def play(self, path: Path) -> None:
        """Start a file; without any player the terminal rings its bell."""
        if sys.platform == "win32":
            import winsound

            winsound.PlaySound(str(path), winsound.SND_FILENAME | winsound.SND_ASYNC | winsound.SND_NODEFAULT)
        elif self._command is None:
            if sys.stderr.isatty():
                sys.stderr.write("\a")
                sys.stderr.flush()
        elif self._playing is None or self._playing.poll() is not None:
            quiet = subprocess.DEVNULL
            try:
                self._playing = subprocess.Popen([*self._command, str(path)], stdin=quiet, stdout=quiet, stderr=quiet)
            except OSError:  # it was there a moment ago: from now on the bell
                self._command = None

    def close(self) -> None:
        """Let a tone that still sounds end, for half a second at most."""
        if self._playing is not None:
            try:
                self._playing.wait(0.5)
            except subprocess.TimeoutExpired:
                self._playing.kill()
                self._playing.wait()


class Chime(Sink):
    """Sounds when an alert begins or grows, and again while it lasts."""

    def __init__(self, player: Player | None = None) -> None:
        self.name = "alert sound"
        self._player = player or Player()
        self._folder = tempfile.TemporaryDirectory(prefix="facet-")
        self._files = {alert: Path(self._folder.name) / f"{alert.name.lower()}.wav" for alert in TONES}
        for alert, (pitches, _) in TONES.items():
            write_wave(self._files[alert], tune(pitches))
        self._alert = Alert.NONE
        self._sounded_s = 0.0

    def write(self, result: Result) -> None:
        alert = Alert.NONE if result.reading is None else result.reading.alert
        grown = alert > self._alert
        again = alert in TONES and result.frame.time_s - self._sounded_s >= TONES[alert][1]
        if alert in TONES and (grown or again):
            self._player.play(self._files[alert])
            self._sounded_s = result.frame.time_s
        self._alert = alert

    def close(self) -> None:
        self._player.close()
        self._folder.cleanup()
