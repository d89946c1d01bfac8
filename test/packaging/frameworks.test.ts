/** The projects of demo/frameworks, with the packed package: all are built, and two are opened in Chromium. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { freePort } from '../../demo/setup/free-port.ts'
import { launchChromium } from '../support/chromium.ts'
import { eventually } from '../support/eventually.ts'
import { isSkipped } from '../support/runtimes.ts'
import { SECRET } from '../support/token.ts'
import { FrameworkProject } from './framework-project.ts'
import { type Package, packPackage } from './package.ts'

const NAMES = ['next', 'nuxt', 'astro', 'sveltekit', 'react'] as const
type Name = (typeof NAMES)[number]

/** Time for the installation and the builds, in ms: less than two minutes on two idle cores. */
const PATIENCE = 600_000

let packed: Package
let bridge: BridgeServer
let port: number
let browser: Browser | undefined
let variables: Record<string, string>
const builds = new Map<Name, Promise<FrameworkProject>>()

/** Builds one project after the other on each of two cores. */
function buildAll(): void {
  let [left, right]: Array<Promise<unknown>> = [Promise.resolve(), Promise.resolve()]
  for (const [index, name] of NAMES.entries()) {
    const built = (index % 2 === 0 ? left : right)?.then(async () => {
      const project = await FrameworkProject.create(name, packed.tarball)
      await project.build(variables)
      return project
    }) as Promise<FrameworkProject>
    builds.set(name, built)
    const over = built.catch(() => {})
    if (index % 2 === 0) left = over
    else right = over
  }
}

beforeAll(async () => {
  port = await freePort()
  packed = await packPackage()
  bridge = await serve({ upstream: 'embedded', origins: [`http://localhost:${port}`], auth: { secret: SECRET } })
  const { url } = bridge
  variables = {
    AUTH_SECRET: SECRET,
    BRIDGE_URL: url,
    VITE_BRIDGE_URL: url,
    NUXT_PUBLIC_BRIDGE_URL: url,
    PORT: `${port}`,
  }
  buildAll()
  if (!isSkipped('chromium')) browser = await launchChromium()
}, 120_000)

afterAll(async () => {
  await browser?.close()
  for (const built of builds.values()) await (await built.catch(() => undefined))?.[Symbol.asyncDispose]()
  await bridge?.close()
}, PATIENCE)

describe('the project of', () => {
  it.each(NAMES)('%s is built', async (name) => void (await builds.get(name)), PATIENCE)
})

/** Opens the page of a project, publishes from the page and from the server, and expects both events. */
async function chat(name: Name, command: readonly string[]): Promise<void> {
  const project = (await builds.get(name)) as FrameworkProject
  const server = project.start(command, variables)
  let output = ''
  for (const stream of [server.stdout, server.stderr]) stream?.on('data', (chunk) => (output += chunk))
  const url = `http://localhost:${port}`
  try {
    const answers = () =>
      fetch(url).then(
        ({ ok }) => ok,
        () => false,
      )
    await eventually(answers, { deadline: 60_000, what: `an answer of ${name}: ${output}` })
    const page = await (browser as Browser).newPage()
    const problems: string[] = []
    page.on('pageerror', ({ message }) => problems.push(message))
    await page.goto(url)
    await page.getByText('open, 1 here').waitFor({ timeout: 60_000 })
    await page.getByRole('button', { name: 'Say hello' }).click()
    await page.getByText('page: hello').waitFor({ timeout: 30_000 })
    await page.getByLabel('Message').fill('from the form')
    await page.getByRole('button', { name: 'Send by the server' }).click()
    await page.getByText('server: from the form').waitFor({ timeout: 30_000 })
    expect(problems).toEqual([])
    await page.close()
  } finally {
    await stop(server)
  }
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  // With its child processes.
  process.kill(-(server.pid as number), 'SIGKILL')
  await once(server, 'exit')
}

describe.skipIf(isSkipped('chromium'))('in Chromium', () => {
  it(
    'Next: events of a client page and of a server action arrive',
    () => chat('next', ['next', 'start', '-p', `${port}`]),
    PATIENCE,
  )
  it(
    'Vite and React: events of the page and of its server arrive',
    () => chat('react', ['node', 'server.ts']),
    PATIENCE,
  )
})
