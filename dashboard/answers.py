"""Answers outside Dash: our own small pages, redirects, and what those who are refused get to read."""

from urllib.parse import quote

from flask import Response, jsonify, render_template, request, url_for

from dashboard.guard import add_headers, is_page, safe_next


def page(template: str, status: int = 200, problem: str | None = None, **values: object) -> Response:
    """One of our own pages; `problem` is a sentence shown at its top."""
    return add_headers(Response(render_template(template, problem=problem, **values), status))


def see_other(target: str) -> Response:
    """Send the browser on, with GET."""
    return add_headers(Response(status=303, headers={"Location": target}))


def sign_in_page(status: int = 200, problem: str | None = None) -> Response:
    return page("sign_in.html", status, problem)


def too_many_tries(template: str, wait_s: int, **values: object) -> Response:
    """The page again, with when the next try is allowed."""
    problem = f"Too many tries. Wait {wait_s} s and try again, or ask an administrator for a one-time link."
    answer = page(template, 429, problem, **values)
    answer.headers["Retry-After"] = str(wait_s)
    return answer


def refuse_stranger() -> Response:
    """Send a person to the sign-in page, and back afterwards; tell a script."""
    if not is_page(request):
        return _refuse(401, "Sign in first.")
    query = f"?{request.query_string.decode('latin-1')}" if request.query_string else ""
    return see_other(url_for("sign_in.form", next=safe_next(quote(request.path) + query)))


def refuse_address() -> Response:
    return _refuse(404, "There is nothing at this address.")


def refuse_origin() -> Response:
    return _refuse(403, "This request doesn't come from a page of this site. Open the site itself and try again.")


def refuse_for_now(problem: str) -> Response:
    """Something that we need is away, and will be back."""
    answer = _refuse(503, problem)
    answer.headers["Retry-After"] = "5"
    return answer


def refuse_old_page() -> Response:
    """The form's token is missing, or of another session."""
    problem = "This page was too old. Please try again."
    return sign_in_page(400, problem) if request.path == url_for("sign_in.form") else _refuse(400, problem)


def _refuse(status: int, problem: str) -> Response:
    if "text/html" in request.headers.get("Accept", ""):
        return page("refused.html", status, problem)
    answer = jsonify(error=problem)
    answer.status_code = status
    return add_headers(answer)
