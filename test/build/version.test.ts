import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { VERSION } from '../../sdk/kit/version.ts'
import { readSources, root } from './source-files.ts'

it('CONNECT names the version of package.json: change it in sdk/kit/version.ts with each release', async () => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  expect(VERSION).toBe(version)
})

it('no other source file contains the version', async () => {
  const sources = await readSources('sdk', 'bridge', 'worker')
  const texts = await Promise.all(sources.map(async ({ path }) => [path, await readFile(join(root, path), 'utf8')]))
  expect(texts.filter(([, text]) => text?.includes(`'${VERSION}'`)).map(([path]) => path)).toEqual([
    'sdk/kit/version.ts',
  ])
})
