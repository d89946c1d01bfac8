/** Service Workers and extensions of Chromium, where `import()` is forbidden. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { type BrowserContext, chromium, type Worker } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { root } from '../build/source-files.ts'
import { chromiumArgs, findChromium } from '../support/chromium.ts'
import { eventually } from '../support/eventually.ts'
import { coreOf } from '../support/hub-core.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { isSkipped } from '../support/runtimes.ts'
import { createToken, SECRET } from '../support/token.ts'
import { type ModuleServer, serveModules } from './module-server.ts'

const grants = { allow: ['kept.*', 'plain.*', 'asked.*', '$EDGE.PRESENCE.>', '_INBOX.>', '$JS.API.>'] }

/** Script of each worker. `globalThis.run(url, token)` resolves with all outcomes. */
const SCRIPT = `
const anything = { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } }
globalThis.run = async (url, token) => {
  const reports = []
  console.error = (...args) => reports.push(args.map((arg) => arg?.code ?? String(arg)).join(' '))
  const events = defineEvents({
    'kept.{id}': event(anything, { stream: 'KEPT' }),
    'plain.{id}': anything,
    'asked.{id}': event(anything, { reply: anything }),
    'denied.{id}': anything,
  })
  const bus = connect({ url, token, events })
  const outcome = (work) => work.then((value) => value ?? 'ok', (error) => error.code)
  const seen = []
  const result = {}
  result.on = await outcome(bus.on('plain.{id}', ({ data }) => seen.push(data)).ready)
  result.publish = await outcome(bus.publish('plain.{id}', { id: 'x' }, 'hello'))
  await bus.flush()
  result.seen = [...seen]
  const iterator = bus.subscribe('plain.{id}')
  await iterator.ready
  await bus.publish('plain.{id}', { id: 'x' }, 'again')
  result.next = (await iterator.next()).value.data
  result.deniedPublish = await outcome(bus.publish('denied.{id}', { id: 'x' }, 1))
  result.deniedOn = await outcome(bus.on('denied.{id}', () => {}).ready)
  result.stored = await outcome(bus.publish('kept.{id}', { id: 'x' }, 1, { timeout: 3000 }).then(({ stream }) => stream))
  result.replay = await outcome(bus.on('kept.{id}', () => {}, { from: 'all' }).live)
  result.respond = await outcome(bus.respond('asked.{id}', ({ data }) => data + 1).ready)
  result.request = await outcome(bus.request('asked.{id}', { id: 'x' }, 1, { timeout: 3000 }))
  result.presence = await outcome(bus.presence('room').then((room) => room.self && 'there'))
  result.reports = reports
  await bus.close()
  return result
}
`
const works = {
  on: 'ok',
  publish: 'ok',
  seen: ['hello'],
  next: 'again',
  deniedPublish: 'permission-denied',
  deniedOn: 'permission-denied',
}
const inModules = {
  ...works,
  stored: 'not-loaded',
  replay: 'not-loaded',
  respond: 'not-loaded',
  request: 'not-loaded',
  presence: 'not-loaded',
}
const inOneFile = { ...works, stored: 'KEPT', replay: 'ok', respond: 'ok', request: 2, presence: 'there' }

/** All that a script needs, as one file. */
async function bundleScript(): Promise<string> {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { connect, defineEvents, event } from ${JSON.stringify(join(root, 'sdk/index.ts'))}\n${SCRIPT}`,
      resolveDir: root,
      loader: 'ts',
    },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
  })
  return outputFiles[0]?.text ?? ''
}

describe.skipIf(isSkipped('chromium'))('where import() is forbidden', () => {
  let nats: NatsServer
  let bridge: BridgeServer
  let modules: ModuleServer
  let token: string
  let context: BrowserContext
  let extension: string
  let profile: string

  beforeAll(async () => {
    nats = await startNatsServer({ jetstream: true })
    modules = await serveModules()
    bridge = await serve({ upstream: nats.url, auth: { secret: SECRET }, origins: '*' })
    await bridge.bridge.hub.opened
    await coreOf(bridge.bridge.hub).jetstream.createStream({ name: 'KEPT', subjects: ['kept.*'], storage: 'memory' })
    token = await createToken({ pub: grants, subscribe: grants })
    modules.files.set('modules.js', `import { connect, defineEvents, event } from '/sdk/index.js'\n${SCRIPT}`)
    modules.files.set('one-file.js', await bundleScript())
    extension = await mkdtemp(join(tmpdir(), 'spanwire-extension-'))
    profile = await mkdtemp(join(tmpdir(), 'spanwire-profile-'))
    const manifest = {
      manifest_version: 3,
      name: 'Spanwire',
      version: '1',
      background: { service_worker: 'background.js', type: 'module' },
    }
    await writeFile(join(extension, 'manifest.json'), JSON.stringify(manifest))
    await writeFile(join(extension, 'background.js'), await bundleScript())
    context = await chromium.launchPersistentContext(profile, {
      executablePath: (await findChromium())?.path ?? '',
      headless: true,
      args: [
        ...chromiumArgs,
        `--disable-extensions-except=${extension}`,
        `--load-extension=${extension}`,
        '--enable-features=ServiceWorkerBypassFetchHandler',
      ],
      ignoreDefaultArgs: ['--disable-extensions'],
    })
  }, 60_000)
  afterAll(async () => {
    await context?.close()
    await bridge?.close()
    await modules?.[Symbol.asyncDispose]()
    await nats?.[Symbol.asyncDispose]()
    for (const folder of [extension, profile]) if (folder) await rm(folder, { recursive: true, force: true })
  })

  const run = (worker: Worker) =>
    worker.evaluate(
      async ({ url, token }) => {
        const { run } = globalThis as unknown as { run: (url: string, token: string) => Promise<object> }
        return run(url, token)
      },
      { url: bridge.url, token },
    )
  const workerAt = (url: string) =>
    eventually(() => context.serviceWorkers().find((worker) => worker.url().startsWith(url)), { what: url })

  it.each([
    ['modules.js', inModules],
    ['one-file.js', inOneFile],
  ])(
    'a Service Worker of %s',
    async (script, expected) => {
      const page = await context.newPage()
      await page.goto(modules.url)
      await page.evaluate(
        async (script) =>
          void (await navigator.serviceWorker.register(`/${script}`, { type: 'module', scope: `/${script}/` })),
        script,
      )
      const outcome = await run(await workerAt(`${modules.url}/${script}`))
      expect(outcome).toMatchObject(expected)
      await page.close()
    },
    30_000,
  )

  it('the background of an extension (Manifest V3), as one file', async () => {
    expect(await run(await workerAt('chrome-extension://'))).toMatchObject({ ...inOneFile, reports: [] })
  }, 30_000)
})
