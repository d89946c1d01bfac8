import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ERRORS_PAGE, readErrorCodes, writeErrors } from './errors-page.ts'
import { readSources, root } from './source-files.ts'

it('sdk/ERRORS.md is current: otherwise run "npm run errors" and commit it', async () => {
  expect(readFileSync(ERRORS_PAGE, 'utf8')).toBe(await writeErrors())
})

it('each code has a cause and a remedy, as sentences', () => {
  const entries = readErrorCodes()
  expect(entries.length).toBeGreaterThan(25)
  for (const { code, cause, remedy } of entries) {
    expect(cause, code).toMatch(/^\S.*\.$/)
    expect(remedy, code).toMatch(/^\S.*\.$/)
  }
})

it('each code is used by the sources', async () => {
  const sources = await readSources('sdk', 'bridge', 'worker')
  const text = sources
    .filter(({ path }) => path !== 'sdk/wire/errors.ts')
    .map(({ path }) => readFileSync(join(root, path), 'utf8'))
    .join('\n')
  expect(readErrorCodes().filter(({ code }) => !text.includes(`'${code}'`))).toEqual([])
})
