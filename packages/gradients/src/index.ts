export { einsum } from './einsum';
export { registerGradients } from './register-gradients';
