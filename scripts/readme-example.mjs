import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import ts from 'typescript';

/**
 * The first ```ts block of a package's README, also as JavaScript, what the comments behind its `console.log(…); // …`
 * lines promise, and the packages that its first `npm install` installs, if there is one.
 * @throws Error if the example imports others
 */
export function readmeExample(packageFolder) {
  const readme = join(packageFolder, 'README.md');
  const text = readFileSync(readme, 'utf8');
  const code = /^```ts\n([\s\S]*?)^```$/m.exec(text)?.[1];
  if (!code) throw new Error(`${readme}: no \`\`\`ts block`);
  const needed = /^npm install (.*)$/m.exec(text)?.[1].split(' ');
  const imported = [...code.matchAll(/(?:from|import) '((?:@[^/']+\/)?[^/']+)/g)].map(([, name]) => name);
  const forgotten = imported.filter((name) => needed && !isBuiltin(name) && !needed.includes(name));
  if (forgotten.length > 0)
    throw new Error(`${readme}: the example imports ${forgotten.join(', ')}, which its npm install does not install`);
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  const { outputText: javascript } = ts.transpileModule(code, { compilerOptions });
  const promised = [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map((match) => match[1]);
  return { code, javascript, promised, needed };
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
