"""The parts of a film that is being made: whole files, and a manifest that says what they are.

A part is written under another name and renamed, and only then named in the manifest. So whatever
ends a run, the next one goes on after the last whole part and makes the same film.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any, Iterator, NamedTuple
from zipfile import BadZipFile

import av
import numpy as np

from bshm import disk
from bshm.codec import marks
from bshm.errors import OutputError
from bshm.video import own
from bshm.video.reader import whole
from bshm.video.scenery import Mood
from bshm.video.steady import State


class Part(NamedTuple):
    """A part: its frames' timestamps, in the film's units, and how long the last one is shown."""

    pts: list[int]
    last_duration: int


class After(NamedTuple):
    """What is kept after a frame, to go on from there: its time, of its matte, of its scene."""

    pts: int
    state: State | None = None
    mood: Mood | None = None


class Parts:
    """The folder of parts beside an output; one run at a time.

    folder: is made
    identity: whatever decides what the parts look like; parts of another are thrown away
    ending: of their files' names
    frames_at: the pattern of the frames' names, where each is a file of its own, not in the folder

    Raises OutputError: the folder cannot be written, or another run is at it.
    """

    def __init__(
        self, folder: Path, identity: dict[str, Any], ending: str, frames_at: str = ""
    ) -> None:
        self.folder, self.identity, self.ending = folder, identity, ending
        self._frames_at = frames_at
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = open(str(folder / "lock"), "ab")  # noqa: SIM115 - until `close`
        except OSError as error:
            raise disk.not_written(folder, error) from error
        try:
            disk.lock(self._lock)
        except BlockingIOError as error:
            self._lock.close()
            reason = "another run is at work there"
            raise OutputError(reason, str(folder), "parts_in_use") from error
        except OSError:  # not every file system has locks
            pass
        disk.clear_up(folder)
        self.parts = self._known()

    def _known(self) -> list[Part]:
        """The parts of an earlier run; none where a file of them is gone, for all hang together."""
        try:
            known = json.loads((self.folder / "manifest.json").read_text("utf-8"))
            if known["identity"] != self.identity:
                return []
            parts = [Part(*part) for part in known["parts"]]
            self._after(parts)  # for its errors
            return parts if self._are_there(parts) else []
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
            return []

    def _are_there(self, parts: list[Part]) -> bool:
        """Whether there is a file of each part, or of each frame."""
        if self._frames_at:
            numbers = range(1, sum(len(part.pts) for part in parts) + 1)
            frames = (own.frame_path(self._frames_at, number) for number in numbers)
            return all(marks.is_finished(frame, own.FRAME) for frame in frames)
        return all(self.path(number).stat().st_size for number in range(1, len(parts) + 1))

    @property
    def frames(self) -> int:
        """How many frames are in the parts."""
        return sum(len(part.pts) for part in self.parts)

    def path(self, number: int) -> Path:
        return self.folder / ("%06d%s" % (number, self.ending))

    @contextlib.contextmanager
    def opened(self, number: int) -> Iterator[Any]:
        """A part, as a container that is open to be read. Raises OutputError where it fails."""
        try:
            with av.open(whole(str(self.path(number)))) as container:
                yield container
        except (av.error.FFmpegError, OSError, IndexError) as error:
            raise self.damaged() from error

    def damaged(self) -> OutputError:
        """What is to be raised where a part is not what was written."""
        reason = "a part of it is damaged: remove the folder and begin again"
        return OutputError(reason, str(self.folder), "part_damaged")

    def after(self) -> After | None:
        """What was kept after the last frame, if there is one."""
        return self._after(self.parts)

    def _after(self, parts: list[Part]) -> After | None:
        if not parts:
            return None
        last = parts[-1].pts[-1]
        with np.load(str(self._after_path(len(parts)))) as kept:
            state = State(*(kept[name] for name in State._fields)) if "alpha" in kept else None
            return After(last, state, Mood.of(kept["mood"]) if "mood" in kept else None)

    def add(self, part: Part, after: After) -> None:
        """Note a part whose file is there. Raises OutputError."""
        number = len(self.parts) + 1
        kept = after.state._asdict() if after.state else {}
        if after.mood:
            kept["mood"] = after.mood.numbers()
        with disk.written_whole(self._after_path(number), synced=True) as file:
            np.savez_compressed(file, **kept)
        parts = [*self.parts, part]
        text = json.dumps({"identity": self.identity, "parts": parts})
        disk.write_atomic(self.folder / "manifest.json", text.encode())
        self.parts = parts
        with contextlib.suppress(OSError):  # the one before is of no more use
            self._after_path(number - 1).unlink()

    def _after_path(self, number: int) -> Path:
        return self.folder / ("after-%06d.npz" % number)

    def remove(self) -> None:
        """Throw all of it away: the film is made."""
        self.close()
        shutil.rmtree(str(self.folder), ignore_errors=True)

    def close(self) -> None:
        """Leave the folder to other runs."""
        self._lock.close()
