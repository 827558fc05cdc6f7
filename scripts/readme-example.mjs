import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/**
 * The first ```ts block of a package's README, also as JavaScript, and what the comments behind its `console.log(…); //
 * …` lines promise.
 */
export function readmeExample(packageFolder) {
  const readme = join(packageFolder, 'README.md');
  const code = /^```ts\n([\s\S]*?)^```$/m.exec(readFileSync(readme, 'utf8'))?.[1];
  if (!code) throw new Error(`${readme}: no \`\`\`ts block`);
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  const { outputText: javascript } = ts.transpileModule(code, { compilerOptions });
  const promised = [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map((match) => match[1]);
  return { code, javascript, promised };
}

/**
 * Runs a package's example as it is written, in plain Node, against the built package: what it printed, and what it
 * promised to print.
 * @param home the folder of a package that depends on what the example uses
 */
export function runReadmeExample(packageFolder, home = packageFolder) {
  const { javascript, promised } = readmeExample(packageFolder);
  const file = join(home, '.readme-example.mjs');
  writeFileSync(file, javascript);
  try {
    const printed = execFileSync(process.execPath, [file], { cwd: home, encoding: 'utf8', stdio: 'pipe' })
      .trimEnd()
      .split('\n');
    return { printed, promised };
  } finally {
    rmSync(file);
  }
}

/**
 * The exports of the built package, from any of its entries, that no row of the README's tables begins with. Types
 * are not looked for.
 */
export function missingFromReadme(packageFolder) {
  const firstCells = [...readFileSync(join(packageFolder, 'README.md'), 'utf8').matchAll(/^\| (.*?) \|/gm)].map(
    ([, cell]) => cell,
  );
  // Names of arguments do not count.
  const documented = new Set(firstCells.flatMap((cell) => cell.replace(/\(.*?\)(?=[`.])/g, '').match(/\w+/g) ?? []));
  const { exports } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'));
  return Object.values(exports)
    .flatMap((entry) => exportedNames(join(packageFolder, entry.default)))
    .filter((name) => !documented.has(name));
}

function exportedNames(file) {
  const { statements } = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ES2022);
  return statements
    .filter(ts.isExportDeclaration)
    .flatMap(({ exportClause }) => exportClause.elements.map(({ name }) => name.text));
}
