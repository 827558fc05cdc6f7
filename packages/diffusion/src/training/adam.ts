/** Float32 arrays by parameter name. */
export type Arrays = ReadonlyMap<string, Float32Array>;

/** Changes parameters in place, given their gradients; its state can be saved. */
export interface Optimizer {
  /** One step. A parameter without a gradient counts as one whose gradient is zero. */
  update(parameters: Arrays, gradients: Arrays, learningRate: number): void;
  /** The optimizer's own arrays by name. */
  state(): Map<string, Float32Array>;
  /** Goes on from where `state()` was taken. */
  restore(state: Arrays): void;
}

/**
 * Adam (Kingma & Ba 2015, Algorithm 1) with PyTorch's defaults, on plain arrays: the arithmetic of each element is in float64 and stored as float32,
 * so that every engine takes the same step. With `weightDecay` it is AdamW (Loshchilov & Hutter 2019): each parameter also shrinks by
 * learningRate·weightDecay of itself. A parameter without a gradient counts as one whose gradient is zero.
 * @param options.beta1 decay of the mean of the gradients
 * @param options.beta2 decay of the mean of their squares
 * @param options.epsilon keeps the step finite where both are near zero
 */
export function adam({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 } = {}): Optimizer {
  let step = 0;
  let moments = new Map<string, Moments>();
  return {
    update(parameters, gradients, learningRate) {
      step++;
      // m̂ = m/(1 − β1^k), v̂ = v/(1 − β2^k)
      const stepSize = learningRate / (1 - beta1 ** step);
      const kept = 1 - learningRate * weightDecay;
      const scale = 1 / Math.sqrt(1 - beta2 ** step);
      for (const [name, parameter] of parameters) {
        const gradient = gradients.get(name) ?? new Float32Array(parameter.length);
        let moment = moments.get(name);
        if (!moment) moments.set(name, (moment = { m: new Float32Array(parameter.length), v: new Float32Array(parameter.length) }));
        change(parameter, gradient, moment, { beta1, beta2, epsilon, stepSize, scale, kept });
      }
    },
    state() {
      const state = new Map([['step', Float32Array.of(step)]]);
      for (const [name, { m, v }] of moments) state.set(`m/${name}`, m.slice()).set(`v/${name}`, v.slice());
      return state;
    },
    restore(state) {
      step = state.get('step')?.[0] ?? 0;
      moments = new Map();
      for (const [key, m] of state) {
        if (!key.startsWith('m/')) continue;
        const name = key.slice(2);
        moments.set(name, { m: m.slice(), v: state.get(`v/${name}`)!.slice() });
      }
    },
  };
}

/** Running means of a parameter's gradient and of its square. */
interface Moments {
  readonly m: Float32Array;
  readonly v: Float32Array;
}

/** The step of one parameter. A function of its own, with its numbers in local variables, since engines then run the loop twice as fast. */
function change(
  parameter: Float32Array,
  gradient: Float32Array,
  { m, v }: Moments,
  { beta1, beta2, epsilon, stepSize, scale, kept }: Record<'beta1' | 'beta2' | 'epsilon' | 'stepSize' | 'scale' | 'kept', number>,
): void {
  for (let i = 0; i < parameter.length; i++) {
    const g = gradient[i];
    const mi = (m[i] = beta1 * m[i] + (1 - beta1) * g);
    const vi = (v[i] = beta2 * v[i] + (1 - beta2) * g * g);
    parameter[i] = kept * parameter[i] - (stepSize * mi) / (Math.sqrt(vi) * scale + epsilon);
  }
}
