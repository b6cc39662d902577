"""Our own scripts as one file: half a hundred small ones would be as many requests at everybody's first visit."""

from hashlib import sha256
from pathlib import Path

from flask import Flask, Response

ADDRESS = "/assets/scripts.js"
SHORT = 16


def register(server: Flask, folder: Path) -> str:
    """Serve the numbered scripts of a folder, in the order of their names; returns the address of what they are now."""
    parts = [f"// {path.name}\n{path.read_text(encoding='utf-8')}" for path in sorted(folder.glob("[0-9]-*.js"))]
    body = "\n".join(parts).encode()

    @server.get(ADDRESS)
    def own_scripts() -> Response:
        return Response(body, content_type="text/javascript; charset=utf-8")

    return f"{ADDRESS}?m={sha256(body).hexdigest()[:SHORT]}"
