import { expect, test } from '@jest/globals';
import { reasonOnDevice } from './device';

// As ONNX Runtime 1.30 and Dawn have said them, the first on Mesa's software Vulkan.
const failing = 'Non-zero status code returned while running';
test.each([
  [
    `${failing} Expand node. Name:'' Status Message: /onnxruntime_src/onnxruntime/core/providers/webgpu/shader_helper.cc:306 onnxruntime::webgpu::ShaderVariableHelper& onnxruntime::webgpu::ShaderHelper::AddVariableImpl(bool, const std::string&, onnxruntime::webgpu::ShaderUsage, const onnxruntime::TensorShape&, uint32_t) numbers_storage_buffers_ <= limits_.maxStorageBuffersPerShaderStage was false. Too many storage buffers in shader. Current: 38, Max is 16`,
    /^a result is larger than it takes; take fewer examples at a time \(Non-zero status code returned while running Expand node\. Name:'' Status Message: Too many storage buffers in shader\. Current: 38, Max is 16\)$/,
  ],
  [
    `${failing} Conv node. Status Message: buffer_manager.cc:553 Failed to download data from buffer: \nA valid external Instance reference no longer exists.`,
    /^the GPU was lost \(Non-zero .*: A valid external Instance reference no longer exists\.\)$/,
  ],
  ['[Device "d"] is lost.\n - While calling [Queue].Submit', /^the GPU was lost \(\[Device "d"\] is lost\. - While/],
  [
    'vkCreateBuffer failed with VK_ERROR_OUT_OF_DEVICE_MEMORY',
    /^too little memory; take fewer examples at a time \(vk/,
  ],
  ['it gives nothing but zeros, as out of memory it does', /^too little memory; /],
  [
    'CUDA failure 2: out of memory ; GPU=0 ; hostname=h ; file=cuda_call.cc',
    /^too little memory; .* \(CUDA failure 2:/,
  ],
  ['CUDA failure 719: unspecified launch failure ; GPU=0', /^the GPU was lost \(CUDA failure 719/],
  ['indices element out of data bounds', /^indices element out of data bounds$/],
])('says in one line what a person can do about %j', (message, expected) => {
  expect(reasonOnDevice(message)).toMatch(expected);
  expect(reasonOnDevice(`${message}${' and more of it'.repeat(100)}`).length).toBeLessThan(400);
});
