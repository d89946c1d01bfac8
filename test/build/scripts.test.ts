import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { expect, it } from 'vitest'
import { root } from './source-files.ts'

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }

/** Runs the launcher of the scripts as if by another version of Node. */
function launch(version: string, ...args: string[]) {
  const disguise = `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '${version}' })`
  const launcher = join(root, 'demo/setup/run.mjs')
  return spawnSync(process.execPath, ['--import', disguise, launcher, ...args], { cwd: root, encoding: 'utf8' })
}

it.each(Object.entries(scripts))('npm run %s starts on Node 20, which cannot run TypeScript', (_, script) => {
  expect(script).not.toMatch(/^node (?!demo\/setup\/run\.mjs )\S+\.ts/)
})

it('names the oldest Node when it is started by an older one', () => {
  const { status, stdout, stderr } = launch('18.20.4', 'test/build/english.ts', 'LICENSE')
  expect([status, stdout, stderr]).toEqual([1, '', "Spanwire's scripts need Node 20 or later. This is Node 18.20.4.\n"])
})

it('runs a script on the Node among the dependencies, with its arguments', () => {
  const { status, stdout } = launch('20.20.2', 'test/build/english.ts', 'SECURITY.md')
  expect(status).toBe(0)
  expect(stdout).toMatch(/^\n0 constructions in \d{3} words/)
})

it('names a missing script', () => {
  expect(launch('20.20.2')).toMatchObject({ status: 1, stdout: '', stderr: expect.stringMatching(/^Name a script: /) })
})
