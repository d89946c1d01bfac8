import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const run = promisify(execFile)
const here = dirname(fileURLToPath(import.meta.url))
const tsc = join(here, '../../node_modules/typescript/bin/tsc')

/** Counts of the compiler. Unlike its time, they are the same on every machine. */
interface Effort {
  readonly instantiations: number
  readonly types: number
  /** In s, for the log. */
  readonly checkTime: number
}

describe('a contract of 500 events', () => {
  let folder: string
  beforeAll(async () => {
    // Inside the repository, so that imports of `../../sdk` and `zod` resolve.
    folder = await mkdtemp(join(here, '.generated-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  async function check(name: string, source: string): Promise<Effort> {
    const config = {
      extends: '../../../tsconfig.json',
      compilerOptions: { noUnusedLocals: false },
      include: [`${name}.ts`],
    }
    await writeFile(join(folder, `${name}.ts`), source)
    await writeFile(join(folder, `${name}.json`), JSON.stringify(config))
    const { stdout } = await run(process.execPath, [tsc, '-p', join(folder, `${name}.json`), '--extendedDiagnostics'])
    const read = (label: string) => Number(new RegExp(`^${label}:\\s+([\\d.]+)`, 'm').exec(stdout)?.[1])
    const effort = {
      instantiations: read('Instantiations'),
      types: read('Types'),
      checkTime: read('Check time'),
    }
    console.log(name, effort)
    return effort
  }

  it('needs fewer than 500 instantiations for each event that is declared, published and handled', async () => {
    const numbers = Array.from({ length: 500 }, (_, i) => i)
    const name = (i: number) => `'area${i % 20}.{tenant}.thing${i}.{id}.changed'`
    const head = `import * as z from 'zod'
import { connect, defineEvents } from '../../../sdk/index.ts'
const schema = z.object({ total: z.number(), text: z.string() })
`
    const one = `${head}const bus = connect({ url: 'ws://x', events: defineEvents({ ${name(0)}: schema }) })
void bus.publish(${name(0)}, { tenant: 't', id: '1' }, { total: 1, text: '' })
bus.on(${name(0)}, ({ data, params }) => data.total + params.tenant)
`
    const all = `${head}export const events = defineEvents({
${numbers.map((i) => `  ${name(i)}: schema,`).join('\n')}
})
const bus = connect({ url: 'ws://x', events })
${numbers
  .map(
    (i) => `void bus.publish(${name(i)}, { tenant: 't', id: '${i}' }, { total: ${i}, text: '' })
bus.on(${name(i)}, ({ data, params }) => data.total + params.tenant)`,
  )
  .join('\n')}
`
    const before = await check('one', one)
    const after = await check('all', all)
    const each = (after.instantiations - before.instantiations) / 499
    console.log(`instantiations for each event: ${each.toFixed(1)}`)
    expect(before.instantiations).toBeGreaterThan(0)
    expect(each).toBeGreaterThan(0)
    expect(each).toBeLessThan(500)
  }, 120_000)
})
