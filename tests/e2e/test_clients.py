"""`digits serve` with other projects' clients: Triton's, and Schemathesis, which generates requests."""

import subprocess
import textwrap
from pathlib import Path

import pytest
import tiny_model
from running_server import running_server

pytestmark = pytest.mark.clients

CLIENTS = Path(__file__).parents[2] / "build" / "clients-venv" / "bin"


@pytest.fixture
def address(tmp_path):
    folder = tmp_path / "serving_model"
    tiny_model.push(folder, 1763800000)
    with running_server(folder, "--requests-per-minute", "1000000") as address:
        yield address


@pytest.mark.parametrize("binary", [True, False])
def test_tritons_client(address, tmp_path, binary):
    images = tiny_model.templates()[[4, 7]]
    images.tofile(tmp_path / "images")
    program = f"""
        import numpy as np, tritonclient.http as triton
        client = triton.InferenceServerClient({address.removeprefix("http://")!r})
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("digits")
        assert client.get_model_metadata("digits")["versions"] == ["1763800000"]
        images = np.fromfile({str(tmp_path / "images")!r}, np.uint8).reshape(2, 28, 28, 1)
        given = triton.InferInput("images", images.shape, "UINT8")
        given.set_data_from_numpy(images, binary_data={binary})
        wanted = [triton.InferRequestedOutput(name, binary_data={binary}) for name in ("class", "probabilities")]
        answer = client.infer("digits", [given], outputs=wanted)
        assert answer.as_numpy("probabilities").shape == (2, 10)
        print(answer.as_numpy("class").tolist())
    """
    command = [CLIENTS / "python", "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.stdout == "[4, 7]\n", done.stderr


def test_schemathesis(address, tmp_path):
    """Every response is in the OpenAPI document, and none is a 5xx."""
    command = [CLIENTS / "schemathesis", "run", f"{address}/openapi.json", "--url", address]
    # In the document a picture is any byte string; most of them are not pictures and get 422.
    options = ["--max-examples", "50", "--seed", "1", "--exclude-checks", "positive_data_acceptance"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, cwd=tmp_path)

    assert done.returncode == 0, done.stdout[-5000:]
