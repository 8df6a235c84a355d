"""TensorBoard's event files."""

import re
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary

from bnrun.recording.files import Digest, digest
from bnrun.recording.tfrecord import RecordFile


class EventFile:
    """A new event file in the folder of a TensorBoard run.

    folder       of the run; made if there is none
    resume_step  None removes the files that an earlier run wrote; a number keeps them and makes
                 TensorBoard drop what they hold after this step

    Files are numbered, because TensorBoard reads them in the order of their names, and the clock
    that its own writer names them by may be set back.
    """

    def __init__(self, folder: Path, resume_step: int | None) -> None:
        folder.mkdir(exist_ok=True)
        earlier = {
            int(path.name.split(".")[3]): path
            for path in folder.glob("events.out.tfevents.*.bnrun")
            if re.fullmatch(r"events\.out\.tfevents\.[0-9]{10}\.bnrun", path.name)
        }
        number = 1 + max(earlier, default=-1)
        if resume_step is None:
            for path in earlier.values():
                path.unlink()
            earlier = {}
        found = {path: digest(path) for path in earlier.values()}
        self._earlier = {path: kept for path, kept in found.items() if kept is not None}
        self._path = folder / f"events.out.tfevents.{number:010d}.bnrun"
        self._records = RecordFile(self._path)
        self._write(Event(file_version="brain.Event:2"))
        # From this step on, TensorBoard forgets what it read in earlier files. It only does so at
        # the second start that it meets, which is why the first file needs one too.
        first = 0 if resume_step is None else resume_step + 1
        self._write(Event(step=first, session_log=SessionLog(status=SessionLog.START)))

    def write(self, step: int, summary: Summary) -> None:
        """Append one event."""
        self._write(Event(step=step, summary=summary))

    def digests(self) -> dict[Path, Digest]:
        """The files of the run, with what was written to them so far."""
        return {**self._earlier, self._path: self._records.digest}

    def sync(self) -> None:
        """Return when everything written so far is on the disk."""
        self._records.sync()

    def close(self) -> None:
        """Close the file."""
        self._records.close()

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        self._records.write(event.SerializeToString())
