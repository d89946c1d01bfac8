import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { buildDemo } from '../../demo/build.ts'
import { answerDemo, type DemoEnv } from '../../demo/routes.ts'
import { ensureDemoStreams } from '../../demo/streams.ts'

const SECRET = 'a secret of the tests that is long enough'
/** Four times the speed of the demo, so that tests do not wait for rare flights. */
const REPLAY_SPEED = '14400'
const dist = new URL('../../demo/dist/', import.meta.url)

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.woff2': 'font/woff2',
}

/** The demo on the Node host, which replaces the Worker here. */
export interface DemoStack {
  readonly url: string
  /** Closes the bridge. The page loses its socket. */
  stopBridge(): Promise<void>
  /** Starts the bridge again on the same port. */
  startBridge(): Promise<void>
  close(): Promise<void>
}

/**
 * Builds the page, serves it together with a bridge for `natsUrl`, and starts both publishers.
 * @param control URL of the control that kills nats-server
 */
export async function startDemo(natsUrl: string, control?: string): Promise<DemoStack> {
  await buildDemo()
  const env = { DEMO: '1', AUTH_SECRET: SECRET, ...(control !== undefined && { DEMO_CONTROL: control }) }
  let server = await serveDemo(natsUrl, 0, env)
  const { port, url } = server
  await ensureDemoStreams(url, SECRET)
  const publisherEnv = { ...process.env, SPANWIRE_URL: url, AUTH_SECRET: SECRET, NATS_URL: natsUrl, REPLAY_SPEED }
  const publishers = ['edge', 'node'].map((name) => startPublisher(name, publisherEnv))
  return {
    url,
    stopBridge: () => server.close(),
    async startBridge() {
      server = await serveDemo(natsUrl, port, env)
    },
    async close() {
      await Promise.all(publishers.map(end))
      await server.close()
    },
  }
}

async function serveDemo(upstream: string, port: number, env: DemoEnv): Promise<BridgeServer> {
  const server = await serve({ upstream, port, auth: { secret: SECRET } })
  const { app } = server.bridge
  app.all('/demo/*', async (c) => (await answerDemo(c.req.raw, env)) ?? c.notFound())
  app.get('/*', async (c) => {
    const name = c.req.path.slice(1).replace(/(^|\/)$/, '$1index.html')
    const body = await readFile(new URL(name, dist)).catch(() => undefined)
    if (!body) return c.notFound()
    return c.body(new Uint8Array(body), 200, { 'content-type': TYPES[extname(name)] ?? 'application/octet-stream' })
  })
  return server
}

function startPublisher(name: string, env: NodeJS.ProcessEnv): ChildProcess {
  const file = fileURLToPath(new URL(`../../demo/publishers/${name}.ts`, import.meta.url))
  return spawn(process.execPath, [file], { env, stdio: ['ignore', 'inherit', 'inherit'] })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}
