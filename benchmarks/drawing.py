"""The time until the served page answers a drawing: python benchmarks/drawing.py serving_model [--rounds 20].

Draws the page's own examples stroke by stroke in headless Chromium, as a hand does. Prints the time from the end of a
stroke to the answer that has all of it.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import typer

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from chromium import running_chromium  # noqa: E402 (beside the tests)

from benchmarks.serving import running  # noqa: E402

# The page sends one drawing at a time. Only answers to drawings sent after the stroke's end are timed.
WATCH = """() => {
    let ended = 0;
    window.latencies = [];
    const sendDrawing = send, showAnswer = show;
    let began = 0, asked = 0;
    window.send = (...given) => { asked = ended; return sendDrawing(...given); };
    window.show = answer => {
        showAnswer(answer);
        if (answer && asked === ended && began) { latencies.push(performance.now() - began); began = 0; }
    };
    const canvas = document.getElementById("canvas");
    canvas.addEventListener("pointerup", () => { ended += 1; began = performance.now(); }, true);
    canvas.addEventListener("pointerdown", () => { ended += 1; began = 0; }, true);
}"""


def main(push_dir: str, rounds: int = 20) -> None:
    """Prints median and 99th percentile in milliseconds."""
    with running(push_dir) as (address, _), running_chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 900}, bypass_csp=True)
        page.goto(address)
        page.wait_for_function("version !== null")
        page.evaluate(WATCH)
        examples = page.evaluate("Object.values(EXAMPLES)")
        box = page.locator("#canvas").bounding_box()
        assert box is not None
        strokes = 0
        for _ in range(rounds):
            for example in examples:
                page.locator("#clear").click()
                for stroke in example:
                    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
                    page.mouse.move(*points[0])
                    page.mouse.down()
                    for point in points[1:]:
                        page.mouse.move(*point, steps=4)
                    page.mouse.up()
                    strokes += 1
                    page.wait_for_function(f"latencies.length === {strokes}")
        latencies = page.evaluate("latencies")
    median, highest = statistics.median(latencies), statistics.quantiles(latencies, n=100)[98]
    print(f"{strokes} strokes: median {median:.0f} ms, 99th percentile {highest:.0f} ms from stroke end to answer")


if __name__ == "__main__":
    typer.run(main)
