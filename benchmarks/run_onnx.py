"""Checks a model and runs it in Python's onnxruntime: run_onnx.py MODEL.onnx CASE.safetensors RESULT.safetensors"""

import sys

import onnx
import onnxruntime
from safetensors.numpy import load_file, save_file

path, given, result = sys.argv[1:]
model = onnx.load(path)
onnx.checker.check_model(model, full_check=True)
foreign = {node.domain for node in model.graph.node} - {""}
if foreign:
    sys.exit(f"{path} has operators of {', '.join(foreign)}, which are not ONNX's own")
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
outputs = session.run(None, load_file(given))
save_file({output.name: value for output, value in zip(session.get_outputs(), outputs)}, result)
