"""What serving needs of the system."""

import subprocess
import sys

import pytest

from tests.program import ROOT

ASK = """
import logging, resource, sys
from realtime.serving import allow_files
logging.basicConfig(format="%(message)s", stream=sys.stdout)
allow_files(700)
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("limits", "after", "warning"),
    [("256:5000", "(700, 5000)", ""), ("2000:5000", "(2000, 5000)", ""), ("256:500", "(500, 500)", "raise the limit")],
    ids=["raised", "high enough", "forbidden"],
)
def test_as_many_files_may_be_open_as_there_may_be_sockets(limits: str, after: str, warning: str) -> None:
    told = subprocess.run(
        ["prlimit", f"--nofile={limits}", sys.executable, "-c", ASK],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told.splitlines()[-1] == after
    assert warning in told and ("raise" in told) is bool(warning)
