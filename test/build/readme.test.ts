import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { readExamples } from '../support/readme.ts'
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

it('the code in the README compiles', async () => {
  const examples = await readExamples()
  expect([...examples.keys()]).toEqual([
    'events.ts',
    'client.ts',
    'stored.ts',
    'deploy.ts',
    'projection.ts',
    'work.ts',
    'service.ts',
    'offline.ts',
    'room.ts',
    'Room.tsx',
    'vue.ts',
    'svelte.ts',
    'solid.ts',
    'resume.test.ts',
    'edge.ts',
    'docs.ts',
    'traces.ts',
    'bridge.ts',
    'token.ts',
    'worker.ts',
    'wrangler.jsonc',
    'app.ts',
  ])
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
