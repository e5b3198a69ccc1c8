"""Sources written in the ModelDeployment itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from moorage_agent.errors import FetchError
from moorage_agent.sources.paths import safe_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from moorage_agent.sources.budget import Budget
    from moorage_crds.modeldeployment import Source


class Inline:
    """Writes the files of ``source.inline``."""

    async def fetch(self, source: Source, into: Path, budget: Budget) -> None:
        """Write every file below ``into``."""
        if source.inline is None:
            raise FetchError("the source has no inline files")
        await asyncio.to_thread(_write, source.inline.files, into, budget)


def _write(files: Mapping[str, str], into: Path, budget: Budget) -> None:
    for name, text in files.items():
        content = text.encode()
        budget.spend(size=len(content), files=1)
        path = into / safe_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
