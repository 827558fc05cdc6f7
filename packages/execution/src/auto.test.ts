import { beforeEach, expect, jest, test } from '@jest/globals';
import type * as Device from './device';

/* What a machine may have: no GPU is needed to choose among them. */
const found = { card: true, absence: undefined as string | undefined, seconds: { webgpu: 1, cpu: 3, cuda: 0 } };
const measured: string[] = [];
const devices: Pick<typeof Device, 'absenceOf' | 'hasCard' | 'secondsOn'> = {
  hasCard: () => found.card,
  absenceOf: () => Promise.resolve(found.absence),
  secondsOn(device) {
    measured.push(device);
    return Promise.resolve(found.seconds[device]);
  },
};
jest.unstable_mockModule('./device', () => devices);
const { prepareExecution } = await import('./prepare-execution');

beforeEach(() => {
  Object.assign(found, { card: true, absence: undefined, seconds: { webgpu: 1, cpu: 3, cuda: 0 } });
  measured.length = 0;
});
const picked = async () => {
  const { name, reason } = await prepareExecution('auto');
  return `${name} ${reason}`;
};

test('auto takes a graphics card that is measured to be faster than the processor', async () => {
  expect(await picked()).toMatch(/^webgpu Backend: webgpu, .*3\.0 times as fast as the processor at a product/);
});

test.each([
  ['is slower', { seconds: { webgpu: 3, cpu: 3, cuda: 0 } }],
  ['cannot be used', { absence: 'there is no GPU with a driver for it' }],
])('auto leaves a graphics card that %s', async (_, machine) => {
  Object.assign(found, machine);
  expect(await picked()).toMatch(/^compiled /);
});

test('auto measures nothing where there is no graphics card', async () => {
  found.card = false;
  expect(await picked()).toMatch(/^compiled /);
  expect(measured).toEqual([]);
});

test('what is asked for and cannot be used is refused in one line', async () => {
  found.absence = 'there is no GPU with a driver for it';
  await expect(prepareExecution('webgpu')).rejects.toThrow(
    'Backend webgpu cannot start: there is no GPU with a driver for it; choose the backend compiled',
  );
});
