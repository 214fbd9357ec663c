"""What the site has beside the pages of this folder: the reference, made anew from what it describes."""

from __future__ import annotations

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

import commands
import contract
import settings

PAGES = {
    "reference/settings.md": settings.page,
    "reference/commands.md": commands.page,
    "reference/protocol.md": contract.protocol,
    "reference/errors.md": contract.errors,
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the reference."""
    for place, page in PAGES.items():
        files.append(File.generated(config, place, content=page()))
    return files
