import { expect, test } from '@jest/globals';
import { closeAll } from './observer';

test('observers that cannot be closed leave no other open', async () => {
  const closed: string[] = [];
  const failing = (name: string) => ({
    close() {
      closed.push(name);
      throw new Error(`${name} failed`);
    },
  });
  const errors = await closeAll([
    failing('a'),
    {},
    { close: () => void closed.push('b') },
    { close: () => Promise.reject(new Error('c failed')) },
    { close: () => void closed.push('d') },
  ]);
  expect(closed).toEqual(['a', 'b', 'd']);
  expect(errors.map(String)).toEqual(['Error: a failed', 'Error: c failed']);
});
