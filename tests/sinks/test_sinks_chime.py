"""The alert sound: when it plays, and what."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from realtime.frame import Frame, Result
from realtime.monitor.reading import Alert, Reading, State, Timers
from realtime.sinks.chime import RATE, TONES, Chime, Player, tune, write_wave

PIXELS = np.zeros((2, 2, 3), np.uint8)


class Ear(Player):
    """Notes what would be heard."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def play(self, path: Path) -> None:
        assert path.is_file()
        self.heard.append(path.stem)

    def close(self) -> None:
        pass


def results(alerts: list[Alert], rate: float = 10.0) -> list[Result]:
    reading = [Reading(State.ATTENTIVE, alert, Timers()) for alert in alerts]
    return [Result(Frame(PIXELS, i, i / rate, 0.0), reading=each) for i, each in enumerate(reading)]


@pytest.mark.parametrize(
    ("alerts", "heard"),
    [
        ([Alert.NONE] * 20, []),
        ([Alert.NONE, *[Alert.NOTICE] * 10], ["notice"]),
        ([Alert.NOTICE, Alert.WARNING, Alert.ALARM, Alert.NONE], ["notice", "warning", "alarm"]),
        ([Alert.ALARM, Alert.WARNING, Alert.NOTICE], ["alarm"]),
        ([Alert.WARNING] * 45, ["warning"] * 3),  # every two seconds
    ],
)
def test_it_sounds_when_an_alert_grows_and_now_and_then_while_it_lasts(alerts: list[Alert], heard: list[str]) -> None:
    ear = Ear()
    with Chime(ear) as chime:
        for result in results(alerts):
            chime.write(result)
    assert ear.heard == heard


def test_without_a_monitor_it_is_silent() -> None:
    ear = Ear()
    with Chime(ear) as chime:
        chime.write(Result(Frame(PIXELS, 0, 0.0, 0.0)))
    assert ear.heard == []


@pytest.mark.parametrize("alert", list(TONES))
def test_tones_have_their_pitch_and_fade(alert: Alert, tmp_path: Path) -> None:
    pitches, _ = TONES[alert]
    path = tmp_path / "tune.wav"
    write_wave(path, tune(pitches))
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    first = samples[: len(samples) // len(pitches)]
    spectrum = np.abs(np.fft.rfft(first))
    assert np.argmax(spectrum) * RATE / len(first) == pytest.approx(pitches[0], abs=12)
    assert abs(samples[0]) < 500
    assert 10_000 < np.abs(samples).max() < 32_767


def test_a_player_that_is_not_there_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    player = Player()
    path = tmp_path / "tune.wav"
    write_wave(path, tune((440.0,)))
    player.play(path)  # rings the terminal's bell, where there is a terminal
    player.close()
    player = Player()
    player._command = (str(tmp_path / "gone"),)
    player.play(path)
    player.play(path)
    player.close()


def test_a_slow_player_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "tune.wav"
    write_wave(path, tune((440.0,)))
    player = Player()
    player._command = ("sh", "-c", "sleep 30")
    player.play(path)
    first = player._playing
    player.play(path)  # the first one still sounds
    assert player._playing is first
    player.close()
    assert first is not None
    assert first.poll() is not None
