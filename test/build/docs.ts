/**
 * `npm run docs`: HTML from the doc comments of all entries of the package, into dist-docs/.
 *
 * TypeDoc reads programs by the JavaScript API of TypeScript, which TypeScript 7 no longer has. TypeDoc and TypeScript 6 are
 * therefore installed into .cache/ on the first run: in node_modules, both versions would claim the command `tsc`.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { root } from './source-files.ts'

const TOOLS = ['typedoc@0.28.20', 'typescript@6.0.3']
const tools = join(root, '.cache/docs', TOOLS.join('+'))
const output = join(root, 'dist-docs')

if (!existsSync(join(tools, 'node_modules/typedoc'))) {
  mkdirSync(tools, { recursive: true })
  writeFileSync(join(tools, 'package.json'), '{ "private": true }')
  const options = ['--no-audit', '--no-fund', '--loglevel=error', '--save-exact']
  execFileSync('npm', ['install', ...options, ...TOOLS], { cwd: tools, stdio: 'inherit' })
}

const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, { types: string }>
}
// One module for each entry, so that pages have the names that users import.
const modules = join(tools, 'modules')
rmSync(modules, { recursive: true, force: true })
const entryPoints = Object.entries(exports).map(([entry, { types }]) => {
  const path = join(modules, `spanwire${entry.slice(1)}.ts`)
  const source = join(root, types.replace('/dist/', '/').replace('.d.ts', '.ts'))
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `export * from ${JSON.stringify(source)}\n`)
  return path
})
const tsconfig = join(tools, 'tsconfig.json')
writeFileSync(tsconfig, JSON.stringify({ extends: join(root, 'tsconfig.json'), include: ['modules'], exclude: [] }))

const options = {
  name: 'Spanwire',
  entryPoints,
  tsconfig,
  readme: join(root, 'README.md'),
  out: output,
  // The compiler of the project checks types. TypeScript 6 does not have all of its libraries.
  skipErrorChecking: true,
  excludeInternal: true,
  excludePrivate: true,
  disableGit: true,
  disableSources: true,
}
const config = join(tools, 'typedoc.json')
writeFileSync(config, JSON.stringify(options))
const typedoc = join(tools, 'node_modules/typedoc/bin/typedoc')
execFileSync(process.execPath, [typedoc, '--options', config], { cwd: root, stdio: 'inherit' })
console.log(`Open ${join(output, 'index.html')}`)
