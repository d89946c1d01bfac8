import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Limit for the compressed Worker in bytes. Its size determines the start-up time. Cloudflare's free plan permits 3 MB. About
 * 10,000 bytes are shares of users and limits of memory (`bridge/budget/`), bounded bodies and checks of host names.
 */
const BUDGET = 257_000

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
