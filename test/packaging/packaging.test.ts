/** The packed package, installed and run in projects outside of this repository. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { serve } from '../../bridge/hosts/node.ts'
import { connect, defineEvents, event, type StandardSchema } from '../../sdk/index.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import { root } from '../build/source-files.ts'
import { launchChromium } from '../support/chromium.ts'
import { eventually } from '../support/eventually.ts'
import { openToAll } from '../support/open-to-all.ts'
import { readGuide } from '../support/readme.ts'
import { isSkipped } from '../support/runtimes.ts'
import { FAKE_CLOCK, type Package, packPackage } from './package.ts'
import { createProject, type Project } from './project.ts'
import { serveFolder } from './serve-folder.ts'
import { measureSubpaths } from './subpaths.ts'

const bin = (name: string) => join(root, 'node_modules/.bin', name)
/** The oldest Node of `engines` in package.json. */
const OLDEST_NODE = '22.12.0'
/** The oldest TypeScript that README.md names. */
const OLDEST_TYPESCRIPT = '5.7.3'

let packed: Package
const opened: AsyncDisposable[] = []
const project = async (template: string, ...packages: string[]): Promise<Project> => {
  const created = await createProject(template, [packed.tarball, ...packages])
  opened.push(created)
  return created
}

beforeAll(async () => {
  packed = await packPackage()
}, 60_000)
afterAll(async () => {
  for (const one of opened.reverse()) await one[Symbol.asyncDispose]()
})

describe('in every runtime', () => {
  let plain: Project
  beforeAll(async () => {
    const node = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}@${OLDEST_NODE}`
    plain = await project('everywhere', FAKE_CLOCK, 'zod', node)
  }, 120_000)

  const expected = {
    live: 'a 42',
    replayed: [1, 1],
    answer: { sum: 2 },
    present: [['ada', { mood: 'fine' }]],
    stored: { n: 7 },
    refused: 'authentication-failed',
    tested: ['reconnecting', 'open', 9],
    withoutNats: ['unsupported', 'unsupported'],
    protocol: 'NATS/1.0\r\nA: b\r\n\r\n'.length,
  }
  const everythingOn = async (runtime: string, command: string, ...args: string[]) => {
    const file = `everything-${runtime}.mjs`
    const code = await readFile(join(plain.folder, 'everything.mjs'), 'utf8')
    await writeFile(join(plain.folder, file), code.replace('RUNTIME', runtime))
    const output = await plain.run(command, ...args, file)
    expect(JSON.parse(output.trim().split('\n').at(-1) ?? '')).toEqual(expected)
  }

  it('Node', () => everythingOn('node', process.execPath), 60_000)
  it(`Node ${OLDEST_NODE}`, async () => {
    const oldest = join(plain.folder, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin/node')
    expect(await plain.run(oldest, '--version')).toBe(`v${OLDEST_NODE}\n`)
    await everythingOn('node', oldest)
  }, 60_000)
  it.skipIf(isSkipped('bun'))('Bun', () => everythingOn('bun', bin('bun'), 'run'), 60_000)
  it.skipIf(isSkipped('deno'))(
    'Deno, by its npm: specifiers',
    async () => {
      const code = await readFile(join(plain.folder, 'everything.mjs'), 'utf8')
      await writeFile(join(plain.folder, 'everything.mjs'), code.replace(/from '(spanwire|zod)/g, "from 'npm:$1"))
      await everythingOn('deno', bin('deno'), 'run', '--allow-all', '--node-modules-dir=manual')
    },
    60_000,
  )

  it.each(['this Node', `Node ${OLDEST_NODE}`])(
    'the command line on %s: a contract in TypeScript, a bridge, and its page',
    async (which) => {
      const oldest = join(plain.folder, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin/node')
      const node = which === 'this Node' ? process.execPath : oldest
      const contract = `import { defineEvents } from 'spanwire'
        import { z } from 'zod'
        export const events = defineEvents({ 'chat.{room}.message': z.object({ text: z.string() }) })
        export type Message = { text: string }`
      await writeFile(join(plain.folder, 'cli-events.ts'), contract)
      const cli = join(plain.folder, 'node_modules/spanwire/dist/bridge/cli/main.js')
      const version = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')).version
      expect(await plain.run(join(plain.folder, 'node_modules/.bin/spanwire'), '--version')).toBe(`${version}\n`)
      expect(await plain.run(node, cli, 'contract', 'docs', 'cli-events.ts')).toContain('"chat.{room}.message"')

      const away = plain.run(node, cli, 'dev', '--upstream', 'nats://127.0.0.1:4222')
      await expect(away).rejects.toThrow('The package nats is not installed: run "npm install nats"')

      const child = plain.start(node, [cli, 'dev', 'cli-events.ts', '--port', '0', '--json'], { HOME: plain.folder })
      let output = ''
      child.stdout?.on('data', (chunk) => (output += chunk))
      child.stderr?.on('data', (chunk) => (output += chunk))
      try {
        await eventually(() => output.includes('\n') || child.exitCode !== null, {
          what: 'spanwire dev',
          deadline: 20_000,
        })
        const { url, token } = JSON.parse(output) as { url: string; token: string }
        expect(await (await fetch(url)).text()).toContain('<title>Spanwire playground</title>')
        expect((await fetch(`${url}/playground/main.js`)).headers.get('content-type')).toMatch(/javascript/)
        const headers = { Authorization: `Bearer ${token}` }
        const sent = await fetch(`${url}/publish/chat.a.message`, { method: 'POST', body: '{"text":"hi"}', headers })
        expect(sent.status).toBe(202)
        await writeFile(join(plain.folder, 'cli-events.ts'), contract.replace('chat.{room}', 'talk.{room}'))
        const names = async () => await (await fetch(`${url}/playground/state.json`)).text()
        await eventually(async () => (await names()).includes('talk.{room}'), { what: 'the contract that changed' })
      } finally {
        child.kill()
      }
    },
    60_000,
  )

  it('a server component, with React without hooks and without a window', async () => {
    const code = `
      await Promise.all(['spanwire', 'spanwire/http', 'spanwire/store', 'spanwire/auth'].map((name) => import(name)))
      console.log('window' in globalThis, 'document' in globalThis)`
    const args = ['--conditions=react-server', '--input-type=module', '--eval', code]
    expect(await plain.run(process.execPath, ...args)).toBe('false false\n')
    // Modules with hooks must begin with the directive for client components.
    const react = await readFile(join(plain.folder, 'node_modules/spanwire/dist/sdk/react/index.js'), 'utf8')
    expect(react.split('\n')[0]).toMatch(/^'use client';?$/)
  })

  it('entries stay within their sizes and need only their packages', async () => {
    const subpaths = await measureSubpaths(plain.folder)
    console.table(subpaths.map(({ needs, ...rest }) => ({ ...rest, needs: needs.join(' ') })))
    const needs = Object.fromEntries(subpaths.map((one) => [one.name.replace(/^spanwire\/?/, './'), one.needs]))
    const server = ['hono', 'jose']
    // `bridge/node` loads `ws` and `@hono/node-server` on use.
    for (const name of [
      './',
      './asyncapi',
      './consumer',
      './http',
      './log',
      './nats',
      './store',
      './streams',
      './protocol',
      './shared-worker',
    ])
      expect(needs[name], name).toEqual([])
    expect(needs['./react']).toEqual(['react'])
    expect(needs['./opentelemetry']).toEqual(['@opentelemetry/api'])
    expect(needs['./auth']).toEqual(['jose'])
    for (const [name, list] of Object.entries(needs)) {
      const known = [...server, 'react', '@opentelemetry/api', 'cloudflare:workers']
      expect(
        list?.filter((one) => !known.some((prefix) => one.startsWith(prefix)) && !one.startsWith('node:')),
        name,
      ).toEqual([])
    }
    const first = (name: string) => subpaths.find((one) => one.name === name)?.first ?? Number.NaN
    expect(first('spanwire/http')).toBeLessThanOrEqual(3_000)
    expect(first('spanwire/opentelemetry')).toBeLessThanOrEqual(3_400)
    expect(first('spanwire/protocol')).toBeGreaterThan(500)
  })
})

it(`TypeScript ${OLDEST_TYPESCRIPT} with zod, valibot and arktype, including the declarations`, async () => {
  const packages = [`typescript@${OLDEST_TYPESCRIPT}`, 'zod@4.6.7', 'valibot@1.5.0', 'arktype@2.2.9', '@types/node@22']
  const created = await project('typescript', ...packages)
  const checks = ['node16', 'nodenext', 'bundler'].map((mode) =>
    created.run(process.execPath, 'node_modules/typescript/bin/tsc', '-p', `tsconfig.${mode}.json`),
  )
  await Promise.all(checks)
}, 300_000)

describe.skipIf(isSkipped('chromium'))('in a browser', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser?.close())

  /** Opens a page. Returns it with its console errors. */
  const open = async (url: string) => {
    const page = await (await browser.newContext()).newPage()
    const complaints: string[] = []
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(String(error)))
    await page.goto(url)
    return { page, complaints }
  }

  it('a module script without a bundler, and esbuild', async () => {
    const pages = await project('pages')
    await build({
      entryPoints: [join(pages.folder, 'page.js')],
      outdir: join(pages.folder, 'bundled'),
      bundle: true,
      splitting: true,
      format: 'esm',
      minify: true,
    })
    await using files = await serveFolder(pages.folder)
    await using bridge = await serve({ upstream: 'embedded', auth: openToAll, origins: [files.url] })
    for (const name of ['script.html', 'file.html', 'bundled.html']) {
      const { page, complaints } = await open(`${files.url}/${name}?bridge=${bridge.url}`)
      await page.getByText('a 42').waitFor({ timeout: 10_000 })
      expect(complaints).toEqual([])
      if (name !== 'file.html') continue
      const modules = await page.evaluate(() => performance.getEntriesByType('resource').map((entry) => entry.name))
      expect(modules.filter((url) => url.includes('/spanwire/'))).toEqual([
        `${files.url}/node_modules/spanwire/dist/spanwire.min.js`,
      ])
    }
    const size = gzipSync(await readFile(join(pages.folder, 'node_modules/spanwire/dist/spanwire.min.js'))).length
    expect(size).toBeGreaterThan(9_000)
    expect(size).toBeLessThanOrEqual(36_000)
  }, 60_000)

  it('Vite and React: builds the guide’s component for a browser and renders it on a server', async () => {
    const app = await project('vite-react', 'vite@8.3.8', '@vitejs/plugin-react@6.3.0', 'react', 'react-dom', 'zod')
    const examples = await readGuide()
    for (const name of ['events.ts', 'stored.ts', 'Room.tsx'])
      await writeFile(join(app.folder, 'src', name), examples.get(name) ?? '')
    const vite = join(app.folder, 'node_modules/vite/bin/vite.js')
    await app.run(process.execPath, vite, 'build')
    await app.run(process.execPath, vite, 'build', '--ssr', 'src/server.tsx', '--outDir', 'server')
    const html = await app.run(process.execPath, 'server/server.js')
    expect(html.replaceAll('<!-- -->', '')).toContain('connecting, 0 here, 0 paid')
    expect(html).not.toContain('undefined')

    await using files = await serveFolder(join(app.folder, 'dist'))
    await using bridge = await serve({ upstream: 'embedded', auth: openToAll, origins: [files.url] })
    const schema: StandardSchema<{ total: number }> = {
      '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as { total: number } }) },
    }
    const paid = defineEvents({ 'shop.{id}.paid': event(schema, { stream: 'SHOP' }) })
    const transport = webSocket({ url: bridge.url })
    await ensureStreams(paid, transport)
    await using bus = connect({ transport, events: paid })
    await bus.publish('shop.{id}.paid', { id: '7' }, { total: 1 })

    for (const share of ['', '&share']) {
      const { page, complaints } = await open(`${files.url}/?bridge=${bridge.url}${share}`)
      await page.getByText('open, 1 here, 1 paid').waitFor({ timeout: 10_000 })
      await page.getByRole('button').click()
      await page.getByText('hello', { exact: true }).waitFor({ timeout: 10_000 })
      expect(complaints).toEqual([])
      await page.context().close()
      await eventually(() => bridge.bridge.hub.stats.connections === 1, { what: 'the end of the page’s connection' })
    }
  }, 120_000)
})

it('the guide’s Worker of one line runs under wrangler', async () => {
  const app = await project('everywhere', 'nats@2.29.3')
  const examples = await readGuide()
  await writeFile(join(app.folder, 'worker.ts'), examples.get('worker.ts') ?? '')
  await writeFile(
    join(app.folder, 'wrangler.jsonc'),
    // The server in the README does not exist.
    (examples.get('wrangler.jsonc') ?? '').replace('tls://nats.example.com:4222', 'embedded'),
  )
  await writeFile(join(app.folder, '.dev.vars'), 'AUTH_SECRET="a secret of at least thirty-two bytes"')
  const child = app.start(
    process.execPath,
    [
      join(root, 'node_modules/wrangler/bin/wrangler.js'),
      ...['dev', '--ip', '127.0.0.1', '--port', '0', '--inspector-port', '0', '--show-interactive-dev-session=false'],
    ],
    { CI: '1', CLOUDFLARE_CF_FETCH_ENABLED: 'false', WRANGLER_SEND_METRICS: 'false', WRANGLER_HIDE_BANNER: 'true' },
  )
  let output = ''
  child.stdout?.on('data', (chunk) => (output += chunk))
  child.stderr?.on('data', (chunk) => (output += chunk))
  try {
    await eventually(() => /Ready on (http:\S+)|ERROR/.test(output) || child.exitCode !== null, {
      what: 'wrangler',
      deadline: 60_000,
    }).catch((cause) => {
      throw new Error(output, { cause })
    })
    const [, url = ''] = /Ready on (http:\S+)/.exec(output) ?? []
    const health = await fetch(`${url}/healthz`).catch((error) => {
      throw new Error(output, { cause: error })
    })
    expect(await health.json()).toMatchObject({ status: 'ok', upstream: 'open' })
    expect(output).not.toMatch(/ERROR/)
  } finally {
    child.kill()
  }
}, 120_000)
