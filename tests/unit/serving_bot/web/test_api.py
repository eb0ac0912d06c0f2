"""The server over HTTP, with a model that reads the canary digits."""

import asyncio
import base64
import io
import json
import socket
import time

import numpy as np
import pytest
import requests
import tiny_model
from PIL import Image
from running_server import running_server
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from serving_bot.reading.classifier import Classifier
from serving_bot.reading.occlusion import occlusion_map
from serving_bot.versions.hot_swap import ModelServer
from serving_bot.web import api
from serving_bot.web.handler import WebServices
from serving_bot.web.tensors import MOST_IMAGES


@pytest.fixture(scope="module")
def push_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "serving_model"
    tiny_model.push(folder, 1763800000)
    return folder


@pytest.fixture(scope="module")
def address(push_dir):
    with running_server(push_dir) as address:
        yield address


def post(address, path, **options):
    return requests.post(f"{address}{path}", timeout=30, **options)


def digits(*names):
    """Canary digits as the network gets them, uint8 [N, 28, 28]."""
    return tiny_model.templates()[list(names)]


def test_a_picture_is_read_raw_and_from_a_form(address):
    picture = tiny_model.picture("407")

    raw = post(address, "/read", data=picture, headers={"Content-Type": "image/jpeg"})
    form = post(address, "/read", files={"picture": ("photo.jpg", picture, "image/jpeg")})

    assert raw.status_code == form.status_code == 200
    assert raw.json() == form.json()
    assert (raw.json()["text"], raw.json()["version"]) == ("407", 1763800000)
    assert "image" not in raw.json()["digits"][0]


def test_images_and_maps_are_returned(address, push_dir):
    answer = post(address, "/read?images=1&why=1", data=tiny_model.picture("7")).json()

    (digit,) = answer["digits"]
    seen = Image.open(io.BytesIO(base64.b64decode(digit["image"].partition(",")[2])))
    assert seen.size == (28, 28)
    predict = Classifier.load(str(push_dir / "1763800000")).predict
    np.testing.assert_allclose(digit["why"], occlusion_map(predict, np.asarray(seen), 7), atol=1e-3)


@pytest.mark.parametrize(
    ("path", "body", "kind", "status", "sentence"),
    [
        ("/read", b"no picture", "image/png", 422, "This is not a JPEG"),
        ("/read", b"", "image/png", 422, "The file is empty"),
        ("/read", b"{}", "application/json", 415, "Send a picture as image/"),
        ("/read", b"--x--", "multipart/form-data", 400, "The form"),
        ("/read?images=2", b"x", "image/png", 400, "images must be 0 or 1"),
        ("/v1/models/digits:predict", b"[", "application/json", 400, "not JSON"),
        ("/v1/models/digits:predict", b"[" * 100_000, "application/json", 400, "not JSON"),
        ("/v1/models/digits:predict", b"{}", "application/json", 400, "either in"),
        ("/v1/models/digits:predict", b'{"instances": [[NaN]]}', "application/json", 400, "not JSON"),
        ("/v1/models/digits:predict", b'{"instances": [[1, 2]]}', "application/json", 400, "shape [1, 2]"),
        ("/v1/models/digits:predict", b'{"instances": [[1, true]]}', "application/json", 400, "true or false"),
        ("/v1/models/digits:predict", b'{"instances": [1, [2]]}', "application/json", 400, "same shape"),
        ("/v1/models/digits:predict", b'{"instances": [{"b64": "?"}]}', "application/json", 400, "of 784 bytes"),
        ("/v1/models/digits/versions/3:predict", b"{}", "application/json", 404, "Version 3 is not served"),
        ("/v2/models/digits/infer", b'{"inputs": []}', "application/json", 400, "one tensor"),
        ("/nowhere", b"", "text/plain", 404, "does not exist"),
    ],
)
def test_bad_requests_get_a_one_line_error(address, path, body, kind, status, sentence):
    answer = post(address, path, data=body, headers={"Content-Type": kind})

    assert answer.status_code == status
    assert sentence in answer.json()["error"]


def test_tensors_in_tensorflow_servings_format(address):
    images = digits(3, 8)

    rows = post(address, "/v1/models/digits:predict", json={"instances": images.tolist()}).json()
    named = {
        "signature_name": "serving_images",
        "instances": [{"images": image[..., None].tolist()} for image in images],
    }
    packed = [{"b64": base64.b64encode(image.tobytes()).decode()} for image in images]

    assert [row["class"] for row in rows["predictions"]] == [3, 8]
    assert np.allclose([sum(row["probabilities"]) for row in rows["predictions"]], 1)
    assert post(address, "/v1/models/digits:predict", json=named).json() == rows
    assert post(address, "/v1/models/digits:predict", json={"instances": packed}).json() == rows
    columns = post(address, "/v1/models/digits:predict", json={"inputs": {"images": images.tolist()}}).json()
    assert columns["outputs"]["class"] == [3, 8]


def test_tensors_in_the_open_inference_protocol(address):
    images = digits(5, 0)
    tensor = {"name": "images", "datatype": "UINT8", "shape": [2, 28, 28, 1]}

    plain = post(
        address, "/v2/models/digits/infer", json={"id": "a", "inputs": [{**tensor, "data": images.ravel().tolist()}]}
    )
    head = json.dumps(
        {
            "inputs": [{**tensor, "parameters": {"binary_data_size": images.size}}],
            "outputs": [{"name": "class", "parameters": {"binary_data": True}}],
        }
    ).encode()
    binary = post(
        address,
        "/v2/models/digits/infer",
        data=head + images.tobytes(),
        headers={"Inference-Header-Content-Length": str(len(head))},
    )

    outputs = {output["name"]: output for output in plain.json()["outputs"]}
    assert plain.json()["id"] == "a"
    assert outputs["class"]["data"] == [5, 0]
    assert outputs["probabilities"]["shape"] == [2, 10]
    length = int(binary.headers["Inference-Header-Content-Length"])
    assert np.frombuffer(binary.content[length:], "<i8").tolist() == [5, 0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"datatype": "FP32"}, "UINT8 [N, 28, 28, 1]"),
        ({"shape": [10**9, 28, 28, 1]}, f"up to {MOST_IMAGES}"),
        ({"shape": [0, 28, 28, 1], "data": []}, "from 1 to"),
        ({"data": [1, 2]}, "2 numbers"),
        ({"data": [256] * 784}, "whole numbers from 0 to 255"),
        ({"data": [True] * 784}, "true or false"),
        ({"data": [0.5] * 784}, "whole numbers from 0 to 255"),
        ({"parameters": {"binary_data_size": 5}}, "binary_data_size"),
    ],
)
def test_wrong_tensors_are_refused(address, change, sentence):
    tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 28, 28, 1], "data": [0] * 784, **change}

    answer = post(address, "/v2/models/digits/infer", json={"inputs": [tensor]})

    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


def test_state_requests_of_other_programs(address):
    def get(path):
        return requests.get(f"{address}{path}", timeout=30)

    (version,) = get("/v1/models/digits").json()["model_version_status"]
    assert (version["version"], version["state"]) == ("1763800000", "AVAILABLE")
    assert get("/v2/models/digits").json()["inputs"][0]["shape"] == [-1, 28, 28, 1]
    assert get("/v2/health/ready").json() == {"ready": True}
    assert get("/healthz").json() == {"healthy": True, "model": 1763800000}
    assert get("/model").json()["card"]["display_name"] == "Ten templates"
    assert "digits_web_model_version 1.7638e+09" in get("/metrics").text
    assert set(get("/openapi.json").json()["paths"]) >= {
        "/read",
        "/v1/models/digits:predict",
        "/v2/models/digits/infer",
    }
    assert "/v2/models/digits/infer" in get("/docs").text
    page = get("/")
    assert "<canvas" in page.text
    assert len(page.content) < 300_000
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in page.headers


def test_a_too_large_body_is_refused_before_it_is_sent(address):
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 1000000000\r\n\r\n"
        )
        answer = connection.recv(4096).decode()

    assert answer.startswith("HTTP/1.1 413")
    assert "over the limit" in answer


def test_a_too_large_body_of_unknown_length_is_refused(address):
    answer = post(address, "/read", data=(bytes(2**20) for _ in range(30)))

    assert answer.status_code == 413
    assert "over the limit" in answer.json()["error"]


def test_a_slow_sender_is_refused(push_dir, monkeypatch):
    monkeypatch.setattr(api, "SLOWEST_BODY_S", 0.2)

    async def send():
        (listening,) = bind_sockets(0, "127.0.0.1")
        server = HTTPServer(api.build(WebServices(ModelServer(str(push_dir)))))
        server.add_socket(listening)
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")
        return (await asyncio.wait_for(reader.read(), 10)).decode()

    answer = asyncio.run(send())

    assert answer.startswith("HTTP/1.1 408")
    assert "did not arrive" in answer


def test_token_and_rate_limit(push_dir, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    with running_server(push_dir, "--token-file", str(tmp_path / "token"), "--requests-per-minute", "2") as address:
        picture = tiny_model.picture("4")
        headers = {"Authorization": "Bearer secret"}

        refused = post(address, "/read", data=picture)
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert post(address, "/read", data=picture, headers={"Authorization": "Bearer other"}).status_code == 401
        assert [post(address, "/read", data=picture, headers=headers).status_code for _ in range(3)] == [200, 200, 429]
        assert requests.get(f"{address}/healthz", timeout=30).status_code == 200


def test_a_newer_version_is_served_without_a_restart_unless_broken(tmp_path):
    folder = tmp_path / "serving_model"
    folder.mkdir()
    with running_server(folder) as address:
        assert post(address, "/read", data=tiny_model.picture("4")).status_code == 503

        def served_after(version, content=None):
            tiny_model.push(folder, version, content)
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                answer = requests.get(f"{address}/healthz", timeout=30).json()["model"]
                if answer == version:
                    return version
                time.sleep(0.1)
                if content is not None and time.monotonic() > deadline - 16:
                    break
            return answer

        assert served_after(1763800000) == 1763800000
        assert served_after(1763800001, b"broken") == 1763800000
        assert served_after(1763800002) == 1763800002
        assert post(address, "/read", data=tiny_model.picture("4")).json()["version"] == 1763800002
