// Trains on two "machines", network namespaces that a link of 1 Gbit/s joins, by Open MPI over TCP: the weights must be
// those of one process, and whatever breaks must end the whole run with one line and a checkpoint. For a person to run,
// as root on Linux, with openmpi-bin, iproute2 and a built workspace; it ends in a minute or two.
//   node scripts/two-machines.mjs
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { encodePng } from '../packages/images/dist/png.js';
import { root } from './pnpm.mjs';

const RATE = '1gbit';
const machines = ['ddpm-a', 'ddpm-b'];
const address = (i) => `10.9.7.${i + 1}`;
const folder = mkdtempSync(join(tmpdir(), 'ddpm-machines-'));
const cli = join(root, 'apps/trainer/dist/cli.js');

function command(line) {
  const [program, ...args] = line.split(' ');
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${line}: ${error?.message ?? stderr.trim()}`);
}

function connect() {
  for (const machine of machines) command(`ip netns add ${machine}`);
  command(`ip link add ddpm-v0 netns ${machines[0]} type veth peer name ddpm-v1 netns ${machines[1]}`);
  for (const [i, machine] of machines.entries()) {
    const inside = `ip netns exec ${machine}`;
    command(`${inside} ip address add ${address(i)}/24 dev ddpm-v${i}`);
    command(`${inside} ip link set lo up`);
    command(`${inside} ip link set ddpm-v${i} up`);
    command(`${inside} tc qdisc add dev ddpm-v${i} root tbf rate ${RATE} burst 256kb latency 50ms`);
  }
}

const disconnect = () => machines.forEach((machine) => spawnSync('ip', ['netns', 'delete', machine]));

// Stands in for ssh: what it is to run on the other machine, it runs in the other namespace, under its name.
const agent = join(folder, 'agent.sh');
const inside = (machine, what) =>
  `ip netns exec ${machine} unshare --uts sh -c 'hostname ${machine}; exec "$@"' sh ${what}`;
writeFileSync(agent, `#!/bin/sh\nshift\n${inside(machines[1], 'sh -c "$*"')}\n`, { mode: 0o755 });

const images = join(folder, 'images');
mkdirSync(images);
for (let i = 0; i < 600; i++) {
  const data = Uint8Array.from({ length: 16 }, (_, k) => (k * (i + 3) * 5 + i) % 256);
  writeFileSync(join(images, `${i}.png`), encodePng({ width: 4, height: 4, channels: 1, data }));
}
const options = ['--dataset', 'folder', '--data-dir', images, '--dim', '16', '--dim-mults', '1,2', '--timesteps', '6'];
const often = ['--batch-size', '513', '--sample-every', '0', '--validation', '0', '--checkpoint-every', '2', '--quiet'];
const train = (run, steps) => [cli, ...options, ...often, '--backend', 'compiled', '--steps', steps, '--out', run];

/** Starts a run by two processes, one on each machine. */
function start(run, steps, timeout) {
  const mca = ['plm_rsh_agent', agent, 'btl', 'tcp,self', 'btl_tcp_if_include', '10.9.7.0/24', 'oob_tcp_if_include', '10.9.7.0/24']; // prettier-ignore
  const flags = mca.flatMap((value, i) => (i % 2 === 0 ? ['--mca', value] : [value]));
  const mpirun = ['mpirun', '--bind-to', 'none', ...flags, '-np', '2', '--host', [0, 1].map(address).join(',')];
  const line = inside(machines[0], [...mpirun, '-x', 'DDPM_MPI_TIMEOUT', process.execPath, ...train(run, steps)].join(' ')); // prettier-ignore
  const child = spawn('sh', ['-c', line], {
    cwd: folder,
    env: {
      ...process.env,
      ...{ OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1', DDPM_MPI_TIMEOUT: String(timeout) },
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const ended = new Promise((done) => child.on('close', () => done(output)));
  return { ended };
}

const checkpoints = (run) => {
  try {
    return readdirSync(join(folder, run, 'checkpoints')).length;
  } catch {
    return 0;
  }
};
async function running(run) {
  for (let i = 0; i < 1200 && checkpoints(run) === 0; i++) await setTimeout(100);
}
/** The trainers in a namespace. */
const trainersOn = (machine) =>
  spawnSync('ip', ['netns', 'pids', machine], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter((pid) => pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(`${process.execPath}\0${cli}`));
const hash = (run) =>
  createHash('sha256')
    .update(readFileSync(join(folder, run, 'checkpoint.safetensors')))
    .digest('hex')
    .slice(0, 12);
const own = (output) => output.split(/[\r\n]+/).filter((line) => /^ddpm-train/.test(line));

const faults = {
  async 'SIGKILL of the process on the other machine'() {
    for (const pid of trainersOn(machines[1])) process.kill(Number(pid), 'SIGKILL');
  },
  async 'the link taken down'() {
    command(`ip netns exec ${machines[0]} ip link set ddpm-v0 down`);
  },
};

let failures = 0;
const check = (right, line) => {
  if (!right) failures++;
  console.log(`${right ? 'ok' : 'FAILED'}: ${line}`);
};
try {
  disconnect();
  connect();
  const alone = spawnSync(process.execPath, train('one', '3'), { cwd: folder, encoding: 'utf8' });
  if (alone.status !== 0) throw new Error(alone.stderr);
  const output = await start('two', '3', 60).ended;
  const same = checkpoints('two') > 0 && hash('two') === hash('one');
  check(same, `weights of one machine and of two: ${hash('one')}, ${same ? hash('two') : output}`);
  for (const [name, strike] of Object.entries(faults)) {
    const { ended } = start(name.replaceAll(' ', '-'), '100000', 10);
    await running(name.replaceAll(' ', '-'));
    const before = performance.now();
    await strike();
    // mpirun itself waits for the other machine where the link is gone: the trainer ends, and it has to be ended.
    const first = trainersOn(machines[0]);
    for (let i = 0; i < 600 && trainersOn(machines[0]).length > 0; i++) await setTimeout(100);
    const seconds = ((performance.now() - before) / 1000).toFixed(1);
    const left = trainersOn(machines[0]).length === 0;
    await Promise.race([ended, setTimeout(5000)]);
    disconnectProcesses();
    const lines = own(await ended);
    const run = name.replaceAll(' ', '-');
    check(
      first.length > 0 && left && lines.length === 1 && checkpoints(run) > 0,
      `${name}: ended after ${seconds} s with ${checkpoints(run)} checkpoints and: ${lines.join(' | ')}`,
    );
  }
} finally {
  disconnectProcesses();
  disconnect();
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failures > 0 ? 1 : 0;

/** Ends whatever still runs in the namespaces, which are this script's own. */
function disconnectProcesses() {
  for (const machine of machines)
    for (const pid of spawnSync('ip', ['netns', 'pids', machine], { encoding: 'utf8' }).stdout.split('\n'))
      if (pid) spawnSync('kill', ['-9', pid]);
}
