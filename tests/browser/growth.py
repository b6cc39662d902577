"""How much a page holds on to: its heap after a forced collection, its DOM nodes and listeners, what fills the heap."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Browser, CDPSession, Page


@dataclass(frozen=True)
class Usage:
    """Of one page, garbage not counted."""

    heap_mb: float
    nodes: int
    listeners: int
    documents: int


def usage(page: Page) -> Usage:
    with _session(page) as session:
        session.send("HeapProfiler.collectGarbage")
        heap = session.send("Runtime.getHeapUsage")
        counters = session.send("Memory.getDOMCounters")
    return Usage(heap["usedSize"] / 1e6, counters["nodes"], counters["jsEventListeners"], counters["documents"])


def heap_snapshot(page: Page) -> Counter[str]:
    """Bytes of the heap by kind and name of what holds them; taking it forces a collection."""
    chunks: list[str] = []
    with _session(page) as session:
        session.on("HeapProfiler.addHeapSnapshotChunk", lambda event: chunks.append(event["chunk"]))
        session.send("HeapProfiler.takeHeapSnapshot", {"reportProgress": False})
    return _bytes_by_name("".join(chunks))


def _bytes_by_name(text: str) -> Counter[str]:
    """Source of the format: V8's heap snapshot; a flat array of numbers, described by `meta`."""
    snapshot = json.loads(text)
    meta, nodes, strings = snapshot["snapshot"]["meta"], snapshot["nodes"], snapshot["strings"]
    fields = meta["node_fields"]
    kinds, width = meta["node_types"][0], len(fields)
    kind_at, name_at, size_at = (fields.index(name) for name in ("type", "name", "self_size"))
    sizes: Counter[str] = Counter()
    for start in range(0, len(nodes), width):
        kind = kinds[nodes[start + kind_at]]
        sizes[_label(kind, strings[nodes[start + name_at]])] += nodes[start + size_at]
    return sizes


def _label(kind: str, name: str) -> str:
    """Texts and numbers differ each time; objects go by their constructor."""
    return f"{kind} {name}" if kind in ("object", "closure", "native") else kind


def renderers(browser: Browser) -> set[int]:
    """The processes that run pages."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return {process["id"] for process in processes if process["type"] == "renderer"}


@contextmanager
def _session(page: Page) -> Iterator[CDPSession]:
    session = page.context.new_cdp_session(page)
    yield session
    session.detach()
