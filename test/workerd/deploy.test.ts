import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseEnv, promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { unstable_readConfig as readConfig } from 'wrangler'
import { readSettings, type WorkerEnv } from '../../worker/env.ts'
import { readExamples } from '../support/readme.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Limit for the compressed Worker in bytes. Its size determines the start-up time. Cloudflare's free plan permits 3 MB. About
 * 11,000 bytes are shares of users and limits of memory (`bridge/budget/`), bounded bodies and checks of host names. About
 * 14,000 bytes are the rules for clients that others wrote: headers, inboxes in payloads, queue groups. About
 * 5,500 bytes are time to live, schedules and batches of the embedded broker, 4,200 are checks by the contract, and 2,000 are
 * copies of streams by partition.
 */
const BUDGET = 276_000

it('can be deployed, and is small', async () => {
  const output = await mkdtemp(join(tmpdir(), 'spanwire-deploy-'))
  try {
    await mkdir(join(root, 'demo/dist'), { recursive: true })
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [
        join(root, 'node_modules/wrangler/bin/wrangler.js'),
        ...['deploy', '--dry-run', '--minify', '--config', 'worker/wrangler.jsonc', '--outdir', output],
      ],
      { cwd: root, env: { ...process.env, WRANGLER_SEND_METRICS: 'false', CI: '1' } },
    )
    expect(stdout).toMatch(/env\.HUB \(SpanwireHub\)/)
    const size = gzipSync(await readFile(join(output, 'worker.js'))).length
    console.log(`The Worker is ${size} bytes compressed.`)
    expect(size).toBeLessThan(BUDGET)
  } finally {
    await rm(output, { recursive: true, force: true })
  }
}, 60_000)

it.each(['worker/wrangler.jsonc', 'worker/README.md'])('%s has complete environments', async (path) => {
  const folder = await mkdtemp(join(tmpdir(), 'spanwire-config-'))
  try {
    const block = (await readExamples('worker/README.md')).get('wrangler.jsonc') ?? ''
    const text = path.endsWith('.md') ? block : await readFile(join(root, path), 'utf8')
    const config = join(folder, 'wrangler.jsonc')
    await writeFile(config, text)
    const [usual, staging] = [readConfig({ config }), readConfig({ config, env: 'staging' })]
    for (const { durable_objects, migrations, compatibility_flags, vars } of [usual, staging]) {
      expect(durable_objects.bindings).toMatchObject([{ name: 'HUB', class_name: 'SpanwireHub' }])
      expect(migrations).toHaveLength(1)
      expect(compatibility_flags).toEqual(['no_web_socket_compression'])
      expect(Object.keys(vars)).toEqual(Object.keys(usual.vars))
      expect(readSettings({ ...vars, HUB: {}, AUTH_SECRET: 'a'.repeat(32) } as unknown as WorkerEnv)).toBeDefined()
    }
    expect(staging.name).toBe(`${usual.name}-staging`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

it('.dev.vars.example has secrets that the Worker accepts', async () => {
  const secrets = parseEnv(await readFile(join(root, 'worker/.dev.vars.example'), 'utf8'))
  expect(Object.keys(secrets).sort()).toEqual(['ADMIN_KEY', 'AUTH_SECRET', 'MONITORING_KEY'])
  expect(readSettings({ ...secrets, HUB: {}, UPSTREAM_URL: 'embedded' } as unknown as WorkerEnv)).toMatchObject({
    auth: { secret: secrets.AUTH_SECRET },
  })
  for (const key of [secrets.MONITORING_KEY, secrets.ADMIN_KEY]) expect(key).toMatch(/^[\w.~+/-]{32,}$/)
})
