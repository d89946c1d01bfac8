import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { root } from './source-files.ts'

/** A property that fails, and prints its input. */
const PROPERTY = `
import fc from 'fast-check'
import { it } from 'vitest'
it('fails', () => fc.assert(fc.property(fc.nat(), (n) => {
  console.log('input', n)
  return false
}), { endOnFailure: true }))
`
/** The repository's settings for another folder, which no other run of vitest or Biome looks into. */
const CONFIG = `
import config from '../../vitest.config.ts'
const { projects, ...test } = config.test
export default { test: { ...test, include: ['.cache/**/property.test.ts'] } }
`
let folder: string
beforeAll(async () => {
  await mkdir(join(root, '.cache'), { recursive: true })
  folder = await mkdtemp(join(root, '.cache/seed-'))
  await writeFile(join(folder, 'property.test.ts'), PROPERTY)
  await writeFile(join(folder, 'vitest.config.ts'), CONFIG)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

function runProperty(seed?: string) {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const { SPANWIRE_SEED: _, ...env } = process.env
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [vitest, 'run', '--root', root, '--config', join(folder, 'vitest.config.ts'), folder],
    {
      cwd: root,
      encoding: 'utf8',
      env: { ...env, NO_COLOR: '1', ...(seed && { SPANWIRE_SEED: seed }) },
    },
  )
  const output = stdout + stderr
  return { input: /^input (\d+)/m.exec(output)?.[1], seed: /seed: (-?\d+)/.exec(output)?.[1], output }
}

it('a failing property prints its seed, and SPANWIRE_SEED repeats its input', () => {
  const first = runProperty()
  expect(first.seed, first.output).toMatch(/^-?\d+$/)
  const again = runProperty(first.seed)
  expect(again).toMatchObject({ seed: first.seed, input: first.input })
  expect(first.input).toMatch(/^\d+$/)
}, 60_000)

it('a seed that is not an integer is refused', () => {
  expect(runProperty('today').output).toContain('SPANWIRE_SEED=today is not an integer.')
}, 60_000)
