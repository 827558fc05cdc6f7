import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { crc32c } from './crc32c';
import { createEventWriter } from './tensorboard';

test('crc32c has the values of RFC 3720, appendix B.4', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
});

describe('createEventWriter', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ddpm-events-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const now = () => 1700000000250;

  /** The data of each record, in hexadecimal. */
  function records(path: string): string[] {
    const bytes = readFileSync(path);
    const out = [];
    for (let at = 0; at < bytes.length;) {
      const length = Number(bytes.readBigUInt64LE(at));
      out.push(bytes.subarray(at + 12, at + 12 + length).toString('hex'));
      at += length + 16;
    }
    return out;
  }

  test('writes the bytes that TensorBoard’s own library does', () => {
    // python: from tensorboard.compat.proto import event_pb2 as e; from tensorboard.summary.writer.record_writer import
    // RecordWriter
    // x = e.Event(wall_time=1700000000.25, step=300); x.summary.value.add(tag='loss/train', simple_value=0.125)
    // y = e.Event(wall_time=1700000000.25, step=2**40+5); v = y.summary.value.add(tag='samples').image
    // v.height = 4; v.width = 300; v.encoded_image_string = b'\x89PNG'; x.SerializeToString().hex();
    // y.SerializeToString().hex()
    const events = createEventWriter(folder, { step: 7, now });
    events.scalar('loss/train', 300, 0.125);
    events.image('samples', 2 ** 40 + 5, { png: Uint8Array.of(0x89, 0x50, 0x4e, 0x47), width: 300, height: 4 });
    events.close();
    expect(records(events.path)).toEqual([
      '0900001040fc54d9411a0d627261696e2e4576656e743a32',
      '0900001040fc54d94110073a020801',
      '0900001040fc54d94110ac022a130a110a0a6c6f73732f747261696e150000003e',
      '0900001040fc54d941108580808080202a180a160a0773616d706c6573220b080410ac02220489504e47',
    ]);
    // RecordWriter(io.BytesIO()).write(x.SerializeToString())
    expect(readFileSync(events.path).toString('hex')).toContain(
      '2100000000000000017becf60900001040fc54d94110ac022a130a110a0a6c6f73732f747261696e150000003e526e065a',
    );
  });

  test('a process that resumes leaves the earlier file alone, and its own comes after it by name', () => {
    const paths = [0, 1, 2].map((step) => {
      const events = createEventWriter(join(folder, 'events'), { step, now });
      events.close();
      return events.path;
    });
    expect(paths.map((path) => basename(path).slice(0, 30))).toEqual(
      [0, 1, 2].map((k) => `events.out.tfevents.170000000${k}`),
    );
    expect(readdirSync(join(folder, 'events')).sort()).toEqual(paths.map((path) => basename(path)));
  });

  test('holds every event as soon as it is written', () => {
    const events = createEventWriter(folder, { now });
    for (let step = 0; step < 3; step++) {
      events.scalar('a', step, NaN);
      // The version alone comes before, since nothing that was written is to be dropped.
      expect(records(events.path)).toHaveLength(2 + step);
    }
    events.close();
  });

  test('names the file that it cannot write', () => {
    writeFileSync(join(folder, 'taken'), '');
    expect(() => createEventWriter(join(folder, 'taken'))).toThrow(
      `${join(folder, 'taken')} cannot be written: it exists already`,
    );
  });
});
