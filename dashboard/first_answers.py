"""What Dash asks for first comes with the page itself: its layout and the list of its callbacks, which would be two
round trips before anything can be drawn. `assets/2-app/1-first-answers.js` answers with them."""

from typing import Any

import dash
from flask import Response

BLOCK = '<script type="application/json" data-answers="{address}">{text}</script>'


def blocks(app: dash.Dash) -> str:
    """The answers as data blocks, which no browser runs."""
    untyped: Any = app
    answers = {"/_dash-layout": untyped.serve_layout(), "/_dash-dependencies": untyped.dependencies()}
    return "".join(BLOCK.format(address=address, text=_text(answer)) for address, answer in answers.items())


def _text(answer: Response) -> str:
    """JSON that cannot end the element that it stands in."""
    return answer.get_data(as_text=True).replace("<", "\\u003c")
