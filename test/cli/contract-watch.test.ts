/** The watch of `spanwire dev`: no change of a contract, or of a module that it imports, is missed. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, it } from 'vitest'
import { watchModule } from '../../bridge/cli/dev/contract-watch.ts'
import { eventually } from '../support/eventually.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spanwire-watch-'))
  await writeFile(join(folder, 'part.ts'), 'export const part = 0')
  await writeFile(join(folder, 'events.ts'), `export { part } from './part.ts'`)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

it('sees a change that comes at once', async () => {
  let changes = 0
  const stop = await watchModule(join(folder, 'events.ts'), () => changes++)
  await writeFile(join(folder, 'part.ts'), 'export const part = 1')
  await eventually(() => changes > 0, { what: 'the change', deadline: 15_000 })
  stop()
})

it('sees the last of many changes, also of a module that is imported since one of them', async () => {
  let seen = 0
  let written = 0
  const stop = await watchModule(join(folder, 'events.ts'), () => {
    seen = written
  })
  await writeFile(join(folder, 'more.ts'), 'export const more = 0')
  await writeFile(join(folder, 'events.ts'), `export { more } from './more.ts'`)
  await eventually(() => seen === written, { what: 'the import' })
  for (let round = 1; round <= 40; round++) {
    written = round
    await writeFile(join(folder, 'more.ts'), `export const more = ${round}`)
    // From before the end of the settling time to after the new watch.
    await new Promise((resolve) => setTimeout(resolve, 95 + (round % 20)))
  }
  await eventually(() => seen === written, { what: 'the last change', deadline: 15_000 })
  stop()
})
