import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { defaultLimits } from '../../bridge/auth/limits.ts'
import { BRIDGE_SETTINGS } from '../../bridge/cli/settings/bridge-settings.ts'
import { readGuide } from '../support/readme.ts'
import { root } from './source-files.ts'

const run = promisify(execFile)

/** Source files of the package's entries. */
async function sourcePaths(): Promise<Record<string, string[]>> {
  const { exports } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, { types: string }>
  }
  return Object.fromEntries(
    Object.entries(exports).map(([entry, { types }]) => [
      `spanwire${entry.slice(1)}`,
      [join(root, types.replace('/dist/', '/').replace('.d.ts', '.ts'))],
    ]),
  )
}

it('the code of the guide compiles', async () => {
  const examples = await readGuide()
  expect(examples.size).toBeGreaterThan(20)
  // Inside the repository, so that its packages are resolved.
  await mkdir(join(root, '.cache'), { recursive: true })
  const folder = await mkdtemp(join(root, '.cache/readme-'))
  try {
    for (const [name, code] of examples) await writeFile(join(folder, name), code)
    const config = {
      extends: '../../tsconfig.json',
      compilerOptions: { paths: await sourcePaths() },
      include: ['*.ts', '*.tsx'],
      exclude: [],
    }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const output = await run(process.execPath, [tsc, '-p', folder]).then(
      ({ stdout }) => stdout,
      (error: { stdout: string }) => error.stdout,
    )
    expect(output).toBe('')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}, 60_000)

/** Cells of the first table with that head. */
function readTable(text: string, head: string): string[][] {
  const lines = text.split('\n')
  const first = lines.findIndex((line) => line.startsWith(`| ${head} `))
  const rows = lines.slice(first + 2)
  return rows
    .slice(
      0,
      rows.findIndex((line) => !line.startsWith('|')),
    )
    .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('`', '')))
    .map(([, ...cells]) => cells.slice(0, -1))
}

it('the README is read in a few minutes', async () => {
  expect((await readFile(join(root, 'README.md'), 'utf8')).split('\n').length - 1).toBeLessThanOrEqual(200)
})

it('bridge/README.md lists each option with its flag and variable', async () => {
  const rows = readTable(await readFile(join(root, 'bridge/README.md'), 'utf8'), 'option')
  const settings = Object.entries(BRIDGE_SETTINGS).map(([name, { flag, variable, isFile, help }]) => [
    ...[name, flag === undefined ? '' : `--${flag}${isFile ? '-file' : ''}`, variable ?? '', help],
  ])
  expect(rows).toEqual(settings)
})

it('bridge/README.md lists each limit with its default', async () => {
  const rows = readTable(await readFile(join(root, 'bridge/README.md'), 'utf8'), 'limit')
  const numbers = (value: number | object): string =>
    typeof value === 'number' ? value.toLocaleString('en-US') : Object.values(value).map(numbers).join(', ')
  expect(rows.map(([name, value]) => [name, value])).toEqual(
    Object.entries(defaultLimits).map(([name, value]) => [name, numbers(value)]),
  )
})

it('worker/README.md lists each variable', async () => {
  const rows = readTable(await readFile(join(root, 'worker/README.md'), 'utf8'), 'variable')
  const source = await readFile(join(root, 'worker/env.ts'), 'utf8')
  const body = source.split('export interface WorkerEnv {')[1]?.split('\n}')[0] ?? ''
  const names = [...body.matchAll(/^ {2}readonly (\w+)\?:/gm)].map(([, name]) => name)
  expect(rows.map(([name]) => name).sort()).toEqual(names.sort())
})
