/**
 * `node demo/ai-answer/start.ts`: an answer of a model, token by token, until Ctrl-C.
 *
 *     PORT      default 8788
 *     NATS_URL  such as nats://127.0.0.1:4222, with JetStream. Default: the embedded broker.
 */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { build } from 'esbuild'
import { recordedModel } from './model.ts'
import { type ServerOptions, startServer } from './server.ts'

/** Starts the example with its page. */
export async function startExample(options: Omit<ServerOptions, 'page' | 'secret'>) {
  const [html, { outputFiles }] = await Promise.all([
    readFile(join(import.meta.dirname, 'index.html'), 'utf8'),
    build({
      entryPoints: [join(import.meta.dirname, 'page.ts')],
      bundle: true,
      format: 'esm',
      target: 'es2022',
      write: false,
    }),
  ])
  return startServer({
    ...options,
    page: { html, script: outputFiles[0]?.text ?? '' },
    secret: randomBytes(32).toString('base64url'),
  })
}

if (import.meta.main) {
  const { NATS_URL = 'embedded', PORT = '8788' } = process.env
  const example = await startExample({ upstream: NATS_URL, port: Number(PORT), model: recordedModel })
  console.log(`Open ${example.url}`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void example.close().then(() => process.exit()))
  }
}
