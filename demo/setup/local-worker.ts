import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Child, startChild } from './child.ts'
import { until } from './until.ts'

const root = join(import.meta.dirname, '../..')

export interface LocalWorkerOptions {
  readonly port: number
  /** `nats://…`, or `embedded`. */
  readonly upstream: string
  /** Secret of the tokens. */
  readonly secret: string
  /** URL of the control that kills nats-server. */
  readonly control: string | undefined
}

/** The demo's Worker in workerd on this machine. */
export interface LocalWorker {
  readonly child: Child
  stop(): Promise<void>
}

/** Starts `wrangler dev` and waits until `/healthz` reports ok. It makes no requests to Cloudflare. */
export async function startLocalWorker({ port, upstream, secret, control }: LocalWorkerOptions): Promise<LocalWorker> {
  const state = await mkdtemp(join(tmpdir(), 'spanwire-worker-'))
  const child = startChild({
    name: 'wrangler dev',
    command: process.execPath,
    args: [
      join(root, 'node_modules/wrangler/bin/wrangler.js'),
      'dev',
      ...['--config', join(root, 'worker/wrangler.jsonc')],
      ...['--ip', '127.0.0.1', '--port', String(port), '--inspector-port', '0'],
      ...['--persist-to', state, '--log-level', 'warn', '--show-interactive-dev-session=false'],
      ...['--var', `UPSTREAM_URL:${upstream}`, `AUTH_SECRET:${secret}`, 'DEMO:1'],
      ...(control === undefined ? [] : [`DEMO_CONTROL:${control}`]),
    ],
    cwd: root,
    env: {
      ...process.env,
      CI: '1',
      CLOUDFLARE_CF_FETCH_ENABLED: 'false',
      WRANGLER_SEND_METRICS: 'false',
      WRANGLER_HIDE_BANNER: 'true',
    },
  })
  const stop = async () => {
    await child.stop()
    await rm(state, { recursive: true, force: true })
  }
  const healthy = async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).ok
  try {
    await Promise.race([child.failure, until(healthy, 90_000, 'Starting the Worker')])
  } catch (error) {
    const log = child.log()
    await stop()
    const message = (error as Error).message
    throw new Error(log && !message.includes(log) ? `${message}. Its last lines:\n${log}` : message)
  }
  return { child, stop }
}
