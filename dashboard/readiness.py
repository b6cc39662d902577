"""`/healthz` and `/readyz`, open to all; they say no more than whether, and which part is not."""

from collections.abc import Callable, Mapping

from flask import Flask, Response, jsonify

Problems = Callable[[], Mapping[str, str | None]]


def register_readiness(server: Flask, missing: Problems, degraded: Problems) -> None:
    """Add both routes. missing: by part, why this process is of no use without it; degraded: why it is of less use.

    A process that is degraded stays in service: its pages are served, and poll.
    """

    @server.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="alive")

    @server.get("/readyz")
    def readyz() -> tuple[Response, int]:
        if reasons := _said(missing()):
            return jsonify(status="not ready", reasons=reasons), 503
        if reasons := _said(degraded()):
            return jsonify(status="degraded", reasons=reasons), 200
        return jsonify(status="ready"), 200


def _said(problems: Mapping[str, str | None]) -> dict[str, str]:
    return {part: problem for part, problem in problems.items() if problem}
