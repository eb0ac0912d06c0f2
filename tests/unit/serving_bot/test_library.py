import io
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny_model
from PIL import Image

from serving_bot import read
from serving_bot.versions.folder import NoPushedModelError


@pytest.fixture
def push_dir(tmp_path):
    return str(tiny_model.push(tmp_path / "serving_model", 1763800000).parent)


def test_read_accepts_paths_bytes_arrays_and_images(push_dir, tmp_path):
    data = tiny_model.picture("42", suffix=".png")
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    image = Image.open(io.BytesIO(data))

    pictures = [data, path, str(path), image, np.asarray(image), np.asarray(image.convert("L"))]

    assert [read(picture, push_dir).text for picture in pictures] == ["42"] * len(pictures)


def test_a_pinned_version_reads(tmp_path):
    pinned, broken = (tiny_model.push(tmp_path, version) for version in (1, 2))
    (broken / "assets.extra" / "model.tflite").unlink()
    (tmp_path / "pin").write_text("1")

    assert read(tiny_model.picture("42", suffix=".png"), str(pinned.parent)).text == "42"


def test_without_a_model_the_error_says_so(tmp_path):
    with pytest.raises(NoPushedModelError, match="No model has been pushed"):
        read(b"", str(tmp_path))


def test_the_import_is_fast():
    subprocess.run([sys.executable, "-c", "import serving_bot"], check=True)
    start = time.perf_counter()
    program = "import sys, serving_bot; assert 'cv2' not in sys.modules and 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)

    assert time.perf_counter() - start < 1.5, "0.3 s on an idle machine"
