"""How much one fetch may still take, and how far it may reach; shared by download and unpacking.

Separate because every source spends from it, and because unpacking runs in a thread that only it can stop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from moorage_agent.errors import FetchError, NoRoomError, SourceInvalidError

if TYPE_CHECKING:
    from moorage_agent.settings import Network

MAX_FILES = 10_000
"""Files and folders of one revision; far above any real model, far below what would exhaust inodes."""

MAX_SECONDS = 1800.0
"""Time for one fetch: 30 minutes fetch 10 GiB at 6 MB/s."""


@dataclass
class Budget:
    """What is left. Not frozen: it is spent."""

    bytes_left: int
    """Bytes that may still be written."""
    files_left: int = MAX_FILES
    """Files and folders that may still be made."""
    reach: tuple[Network, ...] = ()
    """Ranges that it may connect to although they are not public."""
    cancelled: bool = False
    """The fetch was given up; whoever spends next stops."""

    def spend(self, *, size: int = 0, files: int = 0) -> None:
        """Take from what is left; raises FetchError when it is not enough or the fetch was given up."""
        self.bytes_left -= size
        self.files_left -= files
        if self.cancelled:
            raise FetchError("the fetch was given up")
        if self.bytes_left < 0:
            raise NoRoomError("the source is larger than the room left in the model store")
        if self.files_left < 0:
            raise SourceInvalidError(f"the source holds more than {MAX_FILES} files and folders")
