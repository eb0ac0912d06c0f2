"""Measures the bot in a separate process against a loopback Bot API, and checks what the documentation promises.

    python benchmarks/bot.py all serving_model/1763800000

Every command prints its figures as one JSON object and exits with 1 if a promise is broken. ``--python`` chooses the
bot's environment, such as the clean one that ``size`` makes.
"""

from __future__ import annotations

import io
import json
import os
import platform
import random
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from loopback_bot_api import TOKEN, Fault, LoopbackBotApi  # noqa: E402
from tiny_model import CANARY, flatbuffer  # noqa: E402

app = typer.Typer(no_args_is_help=True, help=__doc__)
Model = Annotated[Path, typer.Argument(help="A version folder of a pushed model.", exists=True, file_okay=False)]
Python = Annotated[Path, typer.Option(help="The Python whose environment the bot runs in.")]
HERE = Path(sys.executable)

START_S = 3.0
RESIDENT_MIB = 150.0
INSTALLED_MB = 350.0
DOCUMENTS_MIB = 450.0
P99_S = 1.0
HOSTILE_MIB = 600.0
"""What the process may grow to while being fed hostile files: two of the largest pictures, decoded."""


class Bot:
    """A running bot: from this checkout, or (``source=False``) the one installed beside ``python``."""

    def __init__(self, api: LoopbackBotApi, push_dir: Path, python: Path, *arguments: str, source: bool = True) -> None:
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the object
        state = str(push_dir.parent / "state")
        command = [str(python), "-c", "from pipeline.cli import main; main()", "bot", "--api-url", api.url]
        self.process = subprocess.Popen(
            [
                *command,
                "--push-dir",
                str(push_dir),
                "--pictures-per-minute",
                "1000000",
                "--state-dir",
                state,
                *arguments,
            ],
            cwd=push_dir.parent,
            env={**os.environ, "TELEGRAM_BOT_TOKEN": TOKEN} | ({"PYTHONPATH": str(ROOT)} if source else {}),
            stderr=self.log,
        )

    def memory(self, field: str = "VmRSS") -> float:
        """Resident memory in MiB, now or (``VmHWM``) at its highest."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return round(int(status.partition(f"{field}:")[2].split()[0]) / 1024, 1)

    def levels(self) -> Counter[str]:
        """Number of log lines by level."""
        self.log.seek(0)
        return Counter(json.loads(line)["level"] for line in self.log if line.startswith("{"))


@contextmanager
def running(
    model: Path, python: Path, *arguments: str, source: bool = True
) -> Iterator[tuple[LoopbackBotApi, Bot, Path]]:
    """A loopback Bot API, a started bot, and its push folder with a copy of ``model``."""
    with tempfile.TemporaryDirectory() as folder, LoopbackBotApi() as api:
        push_dir = Path(folder) / "models"
        shutil.copytree(model, push_dir / "1")
        bot = Bot(api, push_dir, python, *arguments, source=source)
        try:
            api.wait(lambda: len(api.called("setMyCommands")) == 2, 60)
            yield api, bot, push_dir
            assert bot.process.poll() is None, "the bot has crashed"
            bot.process.send_signal(signal.SIGTERM)
            assert bot.process.wait(60) == 0, "the bot did not stop cleanly"
        finally:
            bot.process.kill()


def photo(digit: int, rng: random.Random, width: int = 1280, height: int = 960) -> bytes:
    """A JPEG of one canary digit on unevenly lit, noisy paper, in the size of Telegram's photos."""
    canary = cv2.imread(str(CANARY), cv2.IMREAD_GRAYSCALE)
    cell = (canary.shape[1] - 40) // 10
    ink = (235.0 - canary[:, 20 + cell * digit : 20 + cell * (digit + 1)]) / 235
    side = int(height * rng.uniform(0.35, 0.6))
    ink = cv2.resize(ink, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    light = np.linspace(rng.uniform(150, 200), 235, width)[None, :] * np.ones((height, 1))
    left, top = rng.randrange(40, width - side - 40), rng.randrange(40, height - side - 40)
    light[top : top + side, left : left + side] *= 1 - 0.85 * ink
    noise = np.random.default_rng(rng.randrange(2**32)).normal(0, 4, light.shape)
    colour = cv2.cvtColor((light + noise).clip(0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    return cv2.imencode(".jpg", colour, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def sentence(digit: int) -> str:
    """The beginning of an answer about one digit."""
    return f"This is {'an' if digit == 8 else 'a'} {digit} "


def report(name: str, figures: dict[str, Any], **promises: bool) -> None:
    """Prints figures, and ends with 1 if a promise is broken."""
    machine = f"{os.cpu_count()} CPUs, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    typer.echo(json.dumps({"benchmark": name, **figures, "promises": promises, "machine": machine}, indent=2))
    if not all(promises.values()):
        raise typer.Exit(1)


@app.command()
def start(model: Model, python: Python = HERE, times: int = 5) -> None:
    """Time from the start of the process to its first answer, with a pushed model and a waiting photo."""
    seconds = []
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder, LoopbackBotApi() as api:
            shutil.copytree(model, Path(folder) / "1")
            api.photo(photo(8, random.Random(0)))
            began = time.monotonic()
            bot = Bot(api, Path(folder), python)
            try:
                (answer,) = api.wait(lambda: api.called("sendMessage"), 60)
            finally:
                bot.process.terminate()
                bot.process.wait(30)
            assert answer.parameters["text"].startswith(sentence(8)), answer.parameters["text"]
            seconds.append(round(answer.at - began, 2))
    median = statistics.median(seconds)
    report("start", {"seconds": seconds, "median_s": median}, first_answer_within_3_s=median <= START_S)


@app.command()
def memory(model: Model, python: Python = HERE, photos: int = 200) -> None:
    """Resident memory after the start, after photos, and after 12-megapixel documents."""
    rng = random.Random(0)
    with running(model, python) as (api, bot, _):
        time.sleep(1)
        figures = {"started_mib": bot.memory()}
        for number in range(photos):
            api.photo(photo(number % 10, rng), chat=number + 1)
            time.sleep(0.03)
        api.wait(lambda: len(api.called("sendMessage")) == photos, 120)
        figures |= {f"after_{photos}_photos_mib": bot.memory(), "highest_mib": bot.memory("VmHWM")}
        resident = bot.memory()
        document = photo(8, rng, 4000, 3000)
        for number in range(10):
            api.document(document, name="photo.jpg", kind="image/jpeg", chat=number + 1)
        api.wait(lambda: len(api.called("sendMessage")) == photos + 10, 120)
        figures |= {"after_10_documents_of_12_megapixels_mib": bot.memory()}
        figures |= {"highest_with_documents_mib": bot.memory("VmHWM")}
    report(
        "memory",
        figures,
        resident_within_150_mib=resident <= RESIDENT_MIB,
        highest_within_150_mib=figures["highest_with_documents_mib"] <= RESIDENT_MIB,
    )


@app.command()
def documents(model: Model, python: Python = HERE, files: int = 200) -> None:
    """Peak resident memory while documents of 19 MB arrive at once: each a photo with padding."""
    rng = random.Random(0)
    large = photo(8, rng, 4000, 3000)
    large += b"\0" * (19 * 10**6 - len(large))  # (any bytes may follow a JPEG's end marker)
    with running(model, python) as (api, bot, _):
        time.sleep(1)
        started = bot.memory()
        for number in range(files):
            api.document(large, name="photo.jpg", kind="image/jpeg", chat=number + 1)
        api.wait(lambda: len(api.called("sendMessage")) == files, 600)
        highest = bot.memory("VmHWM")
        right = sum(call.parameters["text"].startswith(sentence(8)) for call in api.called("sendMessage"))
    figures = {"documents": files, "started_mib": started, "highest_mib": highest, "read": right}
    report("documents", figures, each_read=right == files, highest_within_the_limit=highest <= DOCUMENTS_MIB)


@app.command()
def soak(model: Model, python: Python = HERE, seconds: int = 60, rate: int = 20) -> None:
    """Photos at a steady rate while five versions are pushed: good, broken, good, half-copied, good."""
    rng = random.Random(0)
    pictures = [(digit, photo(digit, rng)) for digit in range(10) for _ in range(4)]
    with running(model, python, "--admin-chat", "999999") as (api, bot, push_dir):
        api.chats.add(999999)

        def pushed(version: int, damage: Callable[[Path], None] | None = None, complete: bool = True) -> None:
            folder = push_dir / str(version)
            shutil.copytree(model, folder, ignore=shutil.ignore_patterns("saved_model.pb"))
            if damage is not None:
                damage(folder / "assets.extra" / "model.tflite")
            if complete:
                shutil.copy(model / "saved_model.pb", folder)

        def wrong(file: Path) -> None:  # a model that loads but misclassifies every digit
            file.write_bytes(flatbuffer([1, 2, 3, 4, 5, 6, 7, 8, 9, 0]))

        def halve(file: Path) -> None:
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])

        def push_all() -> None:
            pushes = [(2, None, True), (3, wrong, True), (4, None, True), (5, halve, False), (6, None, True)]
            for push in pushes:
                time.sleep(seconds / 6)
                pushed(*push)

        pushing = threading.Thread(target=push_all)
        pushing.start()
        sent: list[tuple[int, int, int, float]] = []
        began = time.monotonic()
        for number in range(seconds * rate):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            digit, data = pictures[number % len(pictures)]
            chat = number % 200 + 1
            now = time.monotonic()
            sent.append((chat, api.photo(data, chat=chat), digit, now))
        pushing.join()
        api.wait(lambda: len(api.called("sendMessage")) >= len(sent) + 1, 60)
        time.sleep(2)
        memory_mib = bot.memory()
    answers: dict[tuple[int, int], list[Any]] = {}
    for call in api.called("sendMessage"):
        if "reply_parameters" in call.parameters:
            key = (
                int(call.parameters["chat_id"]),
                json.loads(call.parameters["reply_parameters"])["message_id"],
            )
            answers.setdefault(key, []).append(call)
    once = sum(len(answers.get((chat, message), [])) == 1 for chat, message, _, _ in sent)
    versions: Counter[str] = Counter()
    latencies, misread = [], 0
    for chat, message, digit, at in sent:
        for call in answers.get((chat, message), [])[:1]:
            latencies.append(call.at - at)
            misread += not call.parameters["text"].startswith(sentence(digit))
            markup = json.loads(call.parameters.get("reply_markup", "null"))
            versions[markup["inline_keyboard"][0][0]["callback_data"] if markup else "no button"] += 1
    latencies.sort()
    p99 = latencies[int(0.99 * len(latencies))]
    figures = {
        "sent": len(sent),
        "answered_once": once,
        "misread": misread,
        "answers_by_version": dict(versions),
        "reports_to_admin": len([c for c in api.called("sendMessage") if c.parameters["chat_id"] == "999999"]),
        "median_s": round(statistics.median(latencies), 3),
        "p99_s": round(p99, 3),
        "max_s": round(latencies[-1], 3),
        "resident_mib": memory_mib,
    }
    report(
        "soak",
        figures,
        every_photo_answered_once=once == len(sent),
        none_by_a_broken_model=misread == 0 and set(versions) <= {f"saw:{version}" for version in (1, 2, 4, 6)},
        every_good_version_served=len(versions) == 4,
        p99_under_1_s=p99 < P99_S,
    )


@app.command()
def faults(model: Model, python: Python = HERE, phase_s: int = 10, rate: int = 5) -> None:
    """Photos while the Bot API fails in one way after another, then recovers."""
    rng = random.Random(0)
    pictures = [(digit, photo(digit, rng)) for digit in range(10)]
    kinds = [
        Fault(status=500),
        Fault(status=429, retry_after=2),
        Fault(),
        Fault(hang_s=15),
        Fault(status=502, hang_s=1),
    ]
    with running(model, python) as (api, bot, _):
        began = time.monotonic()

        def fault(method: str) -> Fault | None:
            phase = int((time.monotonic() - began) / phase_s)
            if phase < len(kinds):
                return kinds[phase]
            if phase == len(kinds) and rng.random() < 0.3:
                return rng.choice(kinds)
            return None

        api.fault = fault
        sent = []
        for number in range(phase_s * rate * (len(kinds) + 1)):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            digit, data = pictures[number % 10]
            sent.append((number + 1, api.photo(data, chat=number + 1), digit))
        peace = time.monotonic()
        api.wait(lambda: len(api.called("sendMessage")) >= len(sent), 300)
        recovered = time.monotonic() - peace
        time.sleep(3)
        levels = bot.levels()
    counts = Counter(len(api.answers(chat, message)) for chat, message, _ in sent)
    right = sum(call.parameters["text"].startswith(sentence(d)) for c, m, d in sent for call in api.answers(c, m))
    figures = {
        "sent": len(sent),
        "answers_per_photo": dict(counts),
        "right": right,
        "all_answered_after_the_last_fault_s": round(recovered, 1),
        "requests": sum(api.attempts.values()),
        "log_lines": dict(levels),
    }
    report("faults", figures, nothing_lost=counts[0] == 0, each_answered_once=counts == {1: len(sent)})


@app.command()
def hostile(model: Model, python: Python = HERE, files: int = 2000) -> None:
    """Malformed, truncated, huge and hostile files, sent as documents and as photos."""
    rng = random.Random(0)
    with running(model, python) as (api, bot, _):
        kinds: Counter[str] = Counter()
        sent = []
        for number in range(files):
            kind, data = hostile_file(rng)
            kinds[kind] += 1
            chat = number + 1
            if rng.random() < 0.5:
                message = api.document(data, name="digit.png", chat=chat)
            else:
                message = api.photo(data, chat=chat)
            sent.append((chat, message))
            answered = len(api.called("sendMessage"))
            api.wait(lambda: len(api.called("sendMessage")) > len(sent) - 60, 120)
            for identifier in list(api.files)[: max(0, 2 * answered - 200)]:
                api.files[identifier] = b""  # keep this process small as well
        api.wait(lambda: len(api.called("sendMessage")) >= files, 120)
        highest, now, levels = bot.memory("VmHWM"), bot.memory(), bot.levels()
        alive = api.photo(photo(8, rng), chat=files + 1)
        (answer,) = api.wait(lambda: api.answers(files + 1, alive))
    said = Counter(call.parameters["text"].split(".")[0][:40] for call in api.called("sendMessage")[:-1])
    once = sum(len(api.answers(chat, message)) == 1 for chat, message in sent)
    figures = {
        "files": files,
        "kinds": dict(kinds),
        "answered_once": once,
        "answers": dict(said.most_common(8)),
        "highest_mib": highest,
        "resident_afterwards_mib": now,
        "log_lines": dict(levels),
    }
    report(
        "hostile",
        figures,
        each_answered=once == files,
        no_crash_and_still_reading=answer.parameters["text"].startswith(sentence(8)),
        no_unexpected_error=levels["ERROR"] + levels["CRITICAL"] == 0,
        memory_bounded=highest <= HOSTILE_MIB,
    )


def hostile_file(rng: random.Random) -> tuple[str, bytes]:  # noqa: PLR0911 - one per kind
    """A hostile file, and what is wrong with it."""
    kind = rng.choice(["truncated", "flipped", "noise", "claims to be huge", "bomb", "large", "odd", "spliced"])
    if kind in ("truncated", "flipped", "spliced"):
        data = bytearray(_encoded(rng))
        if kind == "truncated":
            return kind, bytes(data[: rng.randrange(len(data))])
        if kind == "spliced":
            other = _encoded(rng)
            return kind, bytes(data[: rng.randrange(len(data))]) + other[rng.randrange(len(other)) :]
        for _ in range(rng.choice([1, 10, 100])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        return kind, bytes(data)
    if kind == "noise":
        magic = rng.choice([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"RIFF\0\0\0\0WEBP"])
        return kind, magic + rng.randbytes(rng.randrange(5000))
    if kind == "claims to be huge":
        side = rng.choice([30_000, 65_535, 2**31 - 1])
        return kind, rng.choice([_png(side, side, b""), _gif(side), _bmp(side), _jpeg_header(side)])
    if kind == "bomb":
        side = rng.choice([4_000, 8_000, 16_000])
        return kind, _png(side, side, zlib.compress(bytes(1 + side // 8) * side, 9))
    if kind == "large":
        return kind, rng.choice([b"", b"\xff\xd8\xff\xe0"]) + rng.randbytes(rng.choice([3, 10, 19]) * 10**6)
    return kind, rng.choice(
        [
            b"",
            b"\0",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"%PDF-1.7",
            b"PK\3\4" * 99,
            _encoded_tiny(rng),
        ]
    )


def _encoded(rng: random.Random) -> bytes:
    image = Image.open(io.BytesIO(photo(rng.randrange(10), rng, 320, 240)))
    buffer = io.BytesIO()
    image.save(buffer, rng.choice(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]))
    return buffer.getvalue()


def _encoded_tiny(rng: random.Random) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", rng.choice([(1, 1), (1, 5000), (5000, 1), (3, 3)]), 255).save(buffer, "PNG")
    return buffer.getvalue()


def _png(width: int, height: int, pixels: bytes) -> bytes:
    """A one-bit greyscale PNG with the given compressed pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _gif(side: int) -> bytes:
    side = min(side, 65_535)
    return b"GIF89a" + struct.pack("<HH", side, side) + b"\x80\0\0" + bytes(6) + b",\0\0\0\0" + struct.pack(
        "<HH", side, side
    ) + b"\0\2\2L\1\0;"  # fmt: skip


def _bmp(side: int) -> bytes:
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)


def _jpeg_header(side: int) -> bytes:
    side = min(side, 65_500)
    frame = struct.pack(">HBHHB", 11, 8, side, side, 1) + b"\1\x11\0"
    return b"\xff\xd8\xff\xc0" + frame + b"\xff\xda\0\x08\1\1\0\0\x3f\0" + bytes(64) + b"\xff\xd9"


@app.command()
def size(
    model: Model,
    lock: Annotated[Path, typer.Option(help="The bot's lock.")] = ROOT / "requirements" / "bot.txt",
    keep: Annotated[Path | None, typer.Option(help="Make the environment here, and keep it.")] = None,
) -> None:
    """Measures a clean virtual environment made from the bot's lock, in which the bot starts and answers."""
    with tempfile.TemporaryDirectory() as folder:
        environment = keep or Path(folder) / "environment"
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        pip = [
            str(environment / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        subprocess.run([*pip, "--require-hashes", "-r", str(lock)], check=True)
        subprocess.run([*pip, "--no-deps", str(ROOT)], check=True)
        used = subprocess.run(["du", "-sk", str(environment)], check=True, capture_output=True, text=True).stdout
        megabytes = round(int(used.split()[0]) * 1024 / 1e6)
        with running(model, environment / "bin" / "python", source=False) as (api, _, _):
            message = api.photo(photo(8, random.Random(0)))
            (answer,) = api.wait(lambda: api.answers(1, message))
        imported = subprocess.run(
            [environment / "bin" / "python", "-c", "import tensorflow"],
            capture_output=True,
            check=False,
            cwd=folder,
        ).returncode
    report(
        "size",
        {"installed_mb": megabytes},
        installed_within_350_mb=megabytes <= INSTALLED_MB,
        starts_and_answers=answer.parameters["text"].startswith(sentence(8)),
        without_tensorflow=imported != 0,
    )


@app.command(name="all")
def everything(model: Model, python: Python = HERE) -> None:
    """Every benchmark but `size`."""
    broken = []
    for command in (start, memory, soak, faults, hostile):
        try:
            command(model, python)
        except typer.Exit:
            broken.append(command.__name__)
    if broken:
        typer.echo(f"broken promises: {', '.join(broken)}", err=True)
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
