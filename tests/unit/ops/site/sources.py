"""The sources of a small real site, pictures among them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

INDEX = """---
title: The shop
description: What we "sell" & why
---
# Welcome

See [the guide](guide/start.md#first-steps), [its folder](guide/), [prices](/prices.md) and ![a photo](img/photo.jpg).

<script>alert(1)</script> [run](javascript:alert(1)) and mail to [us](mailto:us@shop.example).
"""
LAYOUT = '<html><head><title>{{ title }}</title><link href="/style.css"></head><body>{{ content }}</body></html>'
TEXTS: Mapping[str, str] = {
    "index.md": INDEX,
    "guide/index.md": "# Guide\n\n[Back](../index.md) [here](#guide)\n",
    "guide/start.md": "# Start\n\n## First steps\n\n| a | b |\n|---|---|\n| 1 | ~~2~~ |\n\n![logo](../img/logo.png)\n",
    "prices.md": "# Prices\n\n[a file](files/list.txt?x=1)\n",
    "draft.md": "---\ntitle: Later\ndraft: true\n---\n",
    "style.css": "@import 'base.css';\nbody{background:url(img/logo.png)}\n",
    "base.css": "a{color:red}\n",
    "files/list.txt": "one\n",
    "robots.txt": "User-agent: *\n",
    ".env": "PASSWORD=1\n",
    "layout.html": LAYOUT,
}


def photo(width: int = 400, height: int = 300) -> bytes:
    """A JPEG with the notes of a camera: the place where it was taken, and that it lies on its side."""
    image = Image.effect_noise((width, height), 40).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees
    exif[0x010F] = "Camera of Ada"
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95, exif=exif, comment=b"private")
    return out.getvalue()


def logo() -> bytes:
    """A PNG that could be smaller."""
    out = io.BytesIO()
    Image.new("RGB", (200, 200), "navy").save(out, "PNG", compress_level=0)
    return out.getvalue()


def written(folder: Path) -> Path:
    """Write the site below a folder; the folder."""
    for path, text in TEXTS.items():
        put(folder, path, text)
    put(folder, "img/photo.jpg", photo())
    put(folder, "img/logo.png", logo())
    return folder


def put(folder: Path, path: str, text: str | bytes) -> None:
    """Write one file."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
