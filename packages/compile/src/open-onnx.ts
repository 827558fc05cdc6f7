import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { hostArray, localArray, ort } from './run/host';
import { messageOf } from './run/realm';

/** An array with its shape, row-major. */
export interface OnnxArray {
  /** Sizes of the axes. */
  readonly shape: readonly number[];
  /** Row-major values. */
  readonly data: Float32Array;
}

/** An ONNX model that runs on ONNX Runtime. */
export interface OnnxModel {
  /** Its inputs; an axis of any size has a name or −1 for one. */
  readonly inputs: readonly {
    readonly name: string;
    readonly type: string;
    readonly shape: readonly (number | string)[];
  }[];
  /** The names of its outputs. */
  readonly outputs: readonly string[];
  /**
   * An output by float32 inputs.
   * @throws Error in one line if the inputs do not fit, or the output is not float32
   */
  run(inputs: Readonly<Record<string, OnnxArray>>, output: string): Promise<OnnxArray>;
  /** Frees it. */
  dispose(): Promise<void>;
}

/**
 * Opens an ONNX file of whatever origin.
 * @throws Error in one line if ONNX Runtime cannot run it
 */
export async function openOnnx(bytes: Uint8Array): Promise<OnnxModel> {
  const failed = (error: unknown): never => {
    throw new Error(messageOf(error).split('\n', 1)[0], { cause: error });
  };
  const session: InferenceSession = await ort.InferenceSession.create(hostArray(bytes), { logSeverityLevel: 4 }).catch(
    failed,
  );
  return {
    inputs: session.inputMetadata.map((input) => ({
      name: input.name,
      type: input.isTensor ? input.type : 'no tensor',
      shape: input.isTensor ? [...input.shape] : [],
    })),
    outputs: [...session.outputNames],
    async run(inputs, output) {
      const feeds: Record<string, Tensor> = {};
      for (const [name, { data, shape }] of Object.entries(inputs))
        feeds[name] = new ort.Tensor('float32', hostArray(data), [...shape]);
      const { [output]: result } = await session.run(feeds, [output]).catch(failed);
      if (result.type !== 'float32') throw new Error(`the output ${output} is ${result.type}, not float32`);
      return { shape: [...result.dims], data: localArray(result.data as Float32Array) };
    },
    dispose: () => session.release(),
  };
}
