"""An exported graph behind Triton's Python backend, for a Triton that has no backend of its own for ONNX.

Triton's own interpreter runs this file: Python with numpy 1 and onnxruntime. Where these are not on its path,
MODEL_SITE_PACKAGES in Triton's environment names the folder that holds them.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

if folder := os.environ.get("MODEL_SITE_PACKAGES"):
    sys.path.insert(0, folder)

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as triton


class TritonPythonModel:
    """Runs the requests that Triton hands over together as one batch, each padded to the longest."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the graph beside this file."""
        config = json.loads(args["model_config"])
        graph = Path(args["model_repository"], args["model_version"], "model.onnx")
        options = ort.SessionOptions()
        options.intra_op_num_threads = int(config["parameters"]["threads"]["string_value"])
        options.inter_op_num_threads = 1
        # A spinning thread takes the core from Triton's own, which then hand a request over half a second later.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        provider = "CUDAExecutionProvider" if args["model_instance_kind"] == "GPU" else "CPUExecutionProvider"
        self.session = ort.InferenceSession(graph, options, providers=[provider])
        self.inputs = [one["name"] for one in config["input"]]
        self.output = config["output"][0]["name"]

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request with its own rows."""
        taken = {
            name: [triton.get_input_tensor_by_name(request, name).as_numpy() for request in requests]
            for name in self.inputs
        }
        rows = self.session.run([self.output], {name: _together(arrays) for name, arrays in taken.items()})[0]
        ends = np.cumsum([len(array) for array in taken[self.inputs[0]]])
        return [
            triton.InferenceResponse([triton.Tensor(self.output, np.ascontiguousarray(own))])
            for own in np.split(rows, ends[:-1])
        ]


def _together(arrays: list[Any]) -> Any:
    """The rows of all arrays, those that are shorter filled up with 0 at the end."""
    if len(arrays) == 1:
        return arrays[0]
    shape = np.max([array.shape for array in arrays], axis=0)
    together = np.zeros((sum(map(len, arrays)), *shape[1:]), arrays[0].dtype)
    start = 0
    for array in arrays:
        together[(slice(start, start + len(array)), *map(slice, array.shape[1:]))] = array
        start += len(array)
    return together
