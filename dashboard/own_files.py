"""Our own scripts as one file, and all styles as another: half a hundred small ones would be as many requests at
everybody's first visit. The theme is chosen before anything else is fetched, by a script within the page."""

import base64
import re
from hashlib import sha256
from pathlib import Path

from flask import Flask, Response

ASSETS = Path(__file__).resolve().parents[1] / "assets"
SCRIPTS = sorted(ASSETS.glob("2-app/[0-9]-*.js"))
STYLES = [
    ASSETS / "1-vendor" / "bootstrap" / "bootstrap.min.css",
    ASSETS / "1-vendor" / "inter" / "inter.css",
    *sorted(ASSETS.glob("2-app/[0-9]-*.css")),
]
THEME = (ASSETS / "2-app" / "theme.js").read_text(encoding="utf-8")
THEME_HASH = f"'sha256-{base64.b64encode(sha256(THEME.encode()).digest()).decode()}'"
BESIDE = re.compile(r'url\("(?!data:|/)')  # a file beside the style that names it
SHORT = 16


def register(server: Flask) -> tuple[str, str]:
    """Serve both, each in the order of the names; returns the addresses of the scripts and styles that they are now."""
    scripts = "\n".join(f"// {path.name}\n{path.read_text(encoding='utf-8')}" for path in SCRIPTS)
    styles = "\n".join(f"/* {path.name} */\n{_style(path)}" for path in STYLES)
    return (
        _served(server, "/assets/scripts.js", "text/javascript", scripts),
        _served(server, "/assets/styles.css", "text/css", styles),
    )


def _style(path: Path) -> str:
    folder = "/".join(path.parent.relative_to(ASSETS.parent).parts)
    return BESIDE.sub(f'url("/{folder}/', path.read_text(encoding="utf-8"))


def _served(server: Flask, address: str, mimetype: str, text: str) -> str:
    body = text.encode()

    def own_file() -> Response:
        return Response(body, content_type=f"{mimetype}; charset=utf-8")

    server.add_url_rule(address, address, own_file)
    return f"{address}?m={sha256(body).hexdigest()[:SHORT]}"
