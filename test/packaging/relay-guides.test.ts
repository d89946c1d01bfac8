/** Every block of code in the guides of relays, run unchanged on a real broker and in Chromium. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../demo/setup/free-port.ts'
import { startBroker } from '../relays/brokers.ts'
import { launchChromium } from '../support/chromium.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { readExamples } from '../support/readme.ts'
import { isSkipped } from '../support/runtimes.ts'
import { rootToken, SECRET } from '../support/token.ts'
import { type Package, packPackage } from './package.ts'
import { createProject, type Project } from './project.ts'

const BLOCKS = ['events.ts', 'deploy.ts', 'relays.ts', 'relay.ts', 'produce.ts', 'bridge.ts', 'page.ts']

let packed: Package
beforeAll(async () => {
  packed = await packPackage()
}, 60_000)
afterAll(() => packed?.[Symbol.asyncDispose]())

describe.each([
  { kind: 'kafka', guide: 'KAFKA.md', packages: ['@platformatic/kafka@2.12.1'], address: '127.0.0.1:9092' },
  { kind: 'rabbitmq', guide: 'RABBITMQ.md', packages: ['amqplib@2.3.1'], address: '127.0.0.1:5672' },
  { kind: 'activemq', guide: 'ACTIVEMQ.md', packages: [], address: '127.0.0.1:61613' },
] as const)('$guide', ({ kind, guide, packages, address }) => {
  it.skipIf(isSkipped(kind) || isSkipped('chromium'))(
    'leads from a running broker to an event in the browser, and back',
    async () => {
      await using rest = new AsyncDisposableStack()
      const [foreign, nats] = await Promise.all([startBroker(kind), startNatsServer({ jetstream: true })])
      rest.use(foreign)
      rest.use(nats)
      const page = await servePage()
      rest.use(page)
      const project = rest.use(await createProject(undefined, [packed.tarball, 'zod', 'nats@2.29.3', ...packages]))
      const [bridgePort, relayPort] = [await freePort(), await freePort()]
      const port = kind === 'activemq' ? foreign.broker.stompPort : Number(foreign.broker.url.split(':').at(-1))
      const examples = await readExamples(`bridge/relay/${guide}`)
      expect([...examples.keys()]).toEqual(BLOCKS)
      for (const [name, code] of examples)
        await writeFile(
          join(project.folder, name),
          code
            .replaceAll(address, `127.0.0.1:${port}`)
            .replaceAll('connect(61613,', `connect(${port},`)
            .replaceAll('nats://127.0.0.1:4222', nats.url)
            .replaceAll('port: 8080', `port: ${bridgePort}`)
            .replaceAll('127.0.0.1:8080', `127.0.0.1:${bridgePort}`)
            .replaceAll('port: 8788', `port: ${relayPort}`)
            .replaceAll('https://app.example.com', page.url),
        )
      const { outputFiles } = await build({
        entryPoints: [join(project.folder, 'page.ts')],
        bundle: true,
        format: 'esm',
        write: false,
      })
      page.script = outputFiles[0]?.text ?? ''
      if (kind === 'rabbitmq') await project.run(process.execPath, 'produce.ts', 'declare')
      else await foreign.prepare('orders', 'payments')
      await project.run(process.execPath, 'deploy.ts')
      const children = [await start(project, 'relay.ts', 'healthz'), await start(project, 'bridge.ts', 'http://')]
      rest.defer(async () => {
        for (const child of children) child.kill('SIGKILL')
      })
      await eventually(async () => (await fetch(`http://127.0.0.1:${relayPort}/healthz`)).ok, { deadline: 30_000 })
      await project.run(process.execPath, 'produce.ts')
      const browser = rest.adopt(await launchChromium(), (one) => one.close())
      const tab = await (await browser.newContext()).newPage()
      await tab.goto(page.url)
      await tab.getByText('A-17: 42').waitFor({ timeout: 20_000 })
      const metrics = async () => (await fetch(`http://127.0.0.1:${relayPort}/metrics`)).text()
      await eventually(async () => /relay_relayed_total\{relay="payments"[^}]*\} 1\n/.test(await metrics()), {
        deadline: 20_000,
      })
      const [paid] = await foreign.receiveAll('payments')
      // STOMP frames do not contain the message group.
      const key = kind === 'activemq' ? '' : 'A-17'
      expect(paid).toMatchObject({ key, value: '{"by":"card"}' })
      // A drain ends the process well.
      const [relay] = children
      relay?.kill('SIGTERM')
      if (relay?.exitCode === null) expect((await once(relay, 'exit'))[0]).toBe(0)
    },
    180_000,
  )
})

async function start(project: Project, module: string, ready: string): Promise<ChildProcess> {
  const child = project.start(process.execPath, [module], { AUTH_SECRET: SECRET })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => {
      output += chunk
    })
  await eventually(() => output.includes(ready), { deadline: 20_000, what: ready }).catch((cause) => {
    child.kill('SIGKILL')
    throw new Error(`${module} wrote:\n${output}`, { cause })
  })
  return child
}

/** A page with a script, and its tokens. */
async function servePage(): Promise<{ script: string; readonly url: string } & AsyncDisposable> {
  const page = { script: '' }
  const server = createServer(async (request, response) => {
    if (request.url === '/token') return response.end(JSON.stringify({ token: await rootToken() }))
    response.setHeader('Content-Type', request.url === '/page.js' ? 'text/javascript' : 'text/html')
    response.end(
      request.url === '/page.js'
        ? page.script
        : '<!doctype html><link rel="icon" href="data:,"><body><script type="module" src="/page.js"></script>',
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return Object.assign(page, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
    },
  })
}
