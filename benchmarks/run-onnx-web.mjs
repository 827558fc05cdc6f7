// Runs a model in onnxruntime-web: node run-onnx-web.mjs MODEL.onnx CASE.safetensors RESULT.safetensors
import { readSafetensors, writeSafetensors } from '@ddpm/safetensors';
import { readFileSync, writeFileSync } from 'node:fs';
import * as ort from 'onnxruntime-web';

const [model, given, result] = process.argv.slice(2);
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(model)));
const { tensors } = readSafetensors(readFileSync(given));
const feeds = Object.fromEntries(
  [...tensors].map(([name, { data, shape }]) => [
    name,
    new ort.Tensor(data instanceof Int32Array ? 'int32' : 'float32', data, shape),
  ]),
);
const outputs = await session.run(feeds);
writeFileSync(
  result,
  writeSafetensors(new Map(Object.entries(outputs).map(([name, { data, dims }]) => [name, { data, shape: dims }]))),
);
