import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/**
 * Runs the first ```ts block of a package's README as it is written, in plain Node, against the built package.
 * Returns what it printed, and what the comments behind its `console.log(…); // …` lines say it prints.
 */
export function runReadmeExample(packageFolder) {
  const readme = join(packageFolder, 'README.md');
  const code = /^```ts\n([\s\S]*?)^```$/m.exec(readFileSync(readme, 'utf8'))?.[1];
  if (!code) throw new Error(`${readme}: no \`\`\`ts block`);
  const file = join(packageFolder, '.readme-example.mjs');
  const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  writeFileSync(file, ts.transpileModule(code, { compilerOptions: options }).outputText);
  try {
    const printed = execFileSync(process.execPath, [file], { cwd: packageFolder, encoding: 'utf8', stdio: 'pipe' }).trimEnd().split('\n');
    const promised = [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map((match) => match[1]);
    return { printed, promised };
  } finally {
    rmSync(file);
  }
}
