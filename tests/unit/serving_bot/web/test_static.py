"""The files of the exported page; tests/browser/test_exported_page.py runs its network."""

import base64

import flatbuffers
import numpy as np
import pytest
import tiny_model
from ai_edge_litert import schema_py_generated as schema

from serving_bot.versions.folder import NoPushedModelError
from serving_bot.web.static import UnknownLayerError, describe, export_page
from workers import UserError


def test_the_layers_of_a_flatbuffer():
    flatten, dense, softmax = describe(tiny_model.flatbuffer())

    assert (flatten, softmax) == ({"kind": "flatten"}, {"kind": "softmax"})
    assert (dense["kind"], dense["shape"]) == ("dense", [10, 784])
    weights = np.frombuffer(base64.b64decode(dense["weights"]), "<f4")
    assert weights.reshape(10, 784).sum(1) == pytest.approx(np.zeros(10), abs=1e-4)
    assert not np.frombuffer(base64.b64decode(dense["bias"]), "<f4").any()


def test_an_unsupported_layer_is_named():
    model = schema.ModelT.InitFromPackedBuf(tiny_model.flatbuffer(), 0)
    model.operatorCodes[1].builtinCode = schema.BuiltinOperator.GELU
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")

    with pytest.raises(UnknownLayerError, match="cannot compute GELU"):
        describe(bytes(builder.Output()))


def test_a_folder_without_a_model_and_an_unwritable_one(tmp_path):
    with pytest.raises(NoPushedModelError):
        export_page(str(tmp_path / "none"), tmp_path / "page")
    tiny_model.push(tmp_path / "push", 7)
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(UserError, match="Choose another folder"):
        export_page(str(tmp_path / "push"), tmp_path / "file")

    assert export_page(str(tmp_path / "push"), tmp_path / "deep" / "page") == 7
