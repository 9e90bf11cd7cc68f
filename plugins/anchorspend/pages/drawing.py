"""Drawing: charts as SVG, in a process for each processor.

vl-convert holds the interpreter while it draws, and in a fork of a process that has drawn before it waits for ever. So
the processes are new ones: this module run as a program, which reads what to draw and writes the drawings as JSON.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

Wanted = tuple[str, dict[str, Any]]
"""A name that keeps a drawing's inner ids apart from those of others on a page, and the chart as Vega-Lite has it."""


def draw(wanted: Sequence[Wanted]) -> list[str]:
    """The charts as SVG, each without its opening `<svg`, in their order."""
    processes = min(os.cpu_count() or 1, len(wanted))
    shares = [wanted[first::processes] for first in range(processes)]
    drawn = [""] * len(wanted)
    with ThreadPoolExecutor(max(processes, 1)) as threads:
        for first, share in enumerate(threads.map(_elsewhere, shares)):
            drawn[first::processes] = share
    return drawn


def _elsewhere(wanted: Sequence[Wanted]) -> list[str]:
    program = [sys.executable, "-P", "-m", __name__]
    done = subprocess.run(program, input=json.dumps(wanted), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"charts could not be drawn: {done.stderr.strip()[-2000:]}")
    drawn: list[str] = json.loads(done.stdout)
    return drawn


def _draw(name: str, wanted: dict[str, Any]) -> str:
    import vl_convert  # nobody needs it who only asks for drawings

    svg: str = vl_convert.vegalite_to_svg(wanted)
    # Vega describes every mark to a reader who hears the page; the whole has one description, and a table beside it.
    svg = re.sub(r' (?:role|class|aria-[a-z]+|xmlns:xlink|version)="[^"]*"', "", svg)
    svg = re.sub(r"\d+\.\d{2,}", lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), svg)
    svg = re.sub(r'(id="|url\(#)(clip|gradient)', rf"\1{name}_\2", svg)
    return svg.removeprefix("<svg")


if __name__ == "__main__":
    json.dump([_draw(name, wanted) for name, wanted in json.load(sys.stdin)], sys.stdout)
