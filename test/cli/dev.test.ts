/** `spanwire dev`: from a contract to a live event in a page. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import axe from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { buildPage } from '../../bridge/cli/page/build.ts'
import { buildInspector } from '../../bridge/inspector/build.ts'
import { root } from '../build/source-files.ts'
import { launchChromium } from '../support/chromium.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { isSkipped } from '../support/runtimes.ts'
import { type RunningCli, runCli, startCli } from './cli-process.ts'

// Each command is a process, and the machine may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

interface Listening {
  readonly url: string
  readonly token: string
  readonly monitoringKey: string
  readonly streams: ReadonlyArray<{ readonly stream: string; readonly did: string }>
}

const SDK = JSON.stringify(join(root, 'sdk/index.ts'))
const contract = (events: string) => `
  import { defineEvents, event } from ${SDK}
  import { z } from 'zod'
  export const events = defineEvents({ ${events} })`
const CHAT = `'chat.{room}.message': z.object({ text: z.string().max(100), mood: z.enum(['fine', 'tired']).optional() })`
const SHOP = `'shop.{id}.paid': event(z.object({
  total: z.number().min(0), currency: z.enum(['EUR', 'USD']), gift: z.boolean(),
  buyer: z.object({ name: z.string(), mail: z.email().optional() }), items: z.array(z.object({ sku: z.string(), count: z.int() })),
}), { stream: 'DEV_SHOP' })`
const QUOTES = `'quotes.{symbol}.get': event(z.object({}), { reply: z.object({ price: z.number() }) })`

let folder: string
beforeAll(async () => {
  await buildPage()
  folder = await mkdtemp(join(tmpdir(), 'spanwire-dev-'))
  await symlink(join(root, 'node_modules/zod'), join(await made('node_modules'), 'zod'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function made(name: string): Promise<string> {
  await mkdir(join(folder, name), { recursive: true })
  return join(folder, name)
}

const stateOf = async (url: string) =>
  (await (await fetch(`${url}/playground/state.json`)).json()) as { events: Array<{ name: string }>; problem?: string }

describe('spanwire dev', () => {
  it('serves a contract, makes its streams, and gives the other commands of the folder address and token', async () => {
    await writeFile(join(folder, 'events.ts'), contract(`${CHAT}, ${SHOP}`))
    await using dev = startCli(['dev', '--json'], { cwd: folder })
    const { url, token, streams } = await dev.json<Listening>()
    expect(streams).toMatchObject([{ stream: 'DEV_SHOP', did: 'created' }])
    await using tail = startCli(['tail', 'chat.>'], { cwd: folder })
    const pub = () => runCli(['pub', 'chat.lobby.message', '{"text":"hello"}'], { cwd: folder })
    expect((await pub()).code).toBe(0)
    // The output of tail does not show when it is subscribed.
    const isShown = () => tail.output.stdout.includes('hello')
    await eventually(async () => isShown() || (await pub().then(isShown)), { what: 'the event' })
    expect(JSON.parse((await runCli(['token', 'decode', token, '--json'])).stdout)).toMatchObject({ isExpired: false })

    // The token stays valid over a restart: it is pasted into pages.
    expect(await dev.stop()).toBe(0)
    await using again = startCli(['dev', '--json', '--port', new URL(url).port], { cwd: folder })
    const { url: same } = await again.json<Listening>()
    const answer = await fetch(`${same}/publish/a`, {
      method: 'POST',
      body: '1',
      headers: { Authorization: `Bearer ${token}` },
    })
    expect(answer.status).toBe(202)
  })

  it('prints addresses, keys and streams, and the next step in its last line', async () => {
    await writeFile(join(folder, 'events.ts'), contract(`${CHAT}, ${SHOP}`))
    await using dev = startCli(['dev', 'events.ts'], { cwd: folder })
    await dev.written(/Next: .*\n/)
    const { stdout } = dev.output
    for (const pattern of [
      /Page +http:\/\/localhost:\d+\/\n/,
      /Inspector +http:\/\/localhost:\d+\/inspector#key=\S{32,}\n/,
      /Broker +embedded\n/,
      /Contract +events\.ts, 2 events\n/,
      /Streams +DEV_SHOP made\n/,
      /Token +ey\S+\n/,
      /Admin key +\S{32,}\n/,
      /Monitoring +\S{32,} /,
    ])
      expect(stdout).toMatch(pattern)
    expect(stdout.trimEnd().split('\n').at(-1)).toMatch(
      /Next: open http:\/\/localhost:\d+\/ and publish an event, or run {2}npx spanwire tail 'chat\.\{room\}\.message'/,
    )
  })

  it('reads the contract again when it, or a module of its own, changes; and keeps the last one that could be read', async () => {
    await made('parts')
    await writeFile(
      join(folder, 'parts/chat.ts'),
      `import { z } from 'zod'\nexport const message = z.object({ text: z.string() })`,
    )
    const withPart = `import { message } from './parts/chat.ts'\n${contract(`'chat.{room}.message': message`)}`
    await writeFile(join(folder, 'live.ts'), withPart)
    await using dev = startCli(['dev', 'live.ts', '--json'], { cwd: folder })
    const { url } = await dev.json<Listening>()
    expect(JSON.stringify(await stateOf(url))).not.toContain('"mood"')

    await writeFile(
      join(folder, 'parts/chat.ts'),
      `import { z } from 'zod'\nexport const message = z.object({ text: z.string(), mood: z.string() })`,
    )
    await eventually(async () => JSON.stringify(await stateOf(url)).includes('"mood"'), { what: 'the part' })

    await writeFile(join(folder, 'live.ts'), `${withPart}\nthis is not TypeScript`)
    await eventually(async () => (await stateOf(url)).problem?.includes("live.ts can't be loaded"), {
      what: 'the problem',
    })
    expect((await stateOf(url)).events).toHaveLength(1)

    await writeFile(join(folder, 'live.ts'), contract(`${CHAT}, ${SHOP}, ${QUOTES}`))
    await eventually(async () => (await stateOf(url)).events.length === 3, { what: 'the new contract' })
    expect((await stateOf(url)).problem).toBeUndefined()
    await dev.written(/live\.ts reloaded: 3 events; streams: DEV_SHOP made/)
  }, 60_000)

  it('works on NATS, and reports when NATS is unreachable', async () => {
    await using nats = await startNatsServer({ jetstream: true })
    await writeFile(join(folder, 'events.ts'), contract(SHOP))
    await using dev = startCli(['dev', '--upstream', nats.url, '--json'], { cwd: folder })
    expect((await dev.json<Listening>()).streams).toMatchObject([{ stream: 'DEV_SHOP', did: 'created' }])
    const away = await runCli(['dev', '--upstream', 'nats://127.0.0.1:9'], { cwd: folder })
    expect(away.stderr).toContain('NATS at nats://127.0.0.1:9 is out of reach for 5000 ms')
    expect(away.code).toBe(3)
  })

  it('serves its page under the names of this machine only, and is open to pages of localhost only', async () => {
    await using dev = startCli(['dev', '--json'], { cwd: folder })
    const { url } = await dev.json<Listening>()
    const { port } = new URL(url)
    const { request } = await import('node:http')
    const status = (path: string, headers: Record<string, string>) =>
      new Promise<number | undefined>((resolve, reject) => {
        request({ host: '127.0.0.1', port, path, headers }, (response) => {
          response.resume()
          resolve(response.statusCode)
        })
          .on('error', reject)
          .end()
      })
    expect(await status('/', { Host: `localhost:${port}` })).toBe(200)
    for (const path of ['/', '/playground/state.json', '/playground/main.js'])
      expect(await status(path, { Host: `rebound.example:${port}` })).toBe(403)
    const page = (origin: string) => status('/history/a', { Host: `localhost:${port}`, Origin: origin })
    expect(await page('http://localhost:5173')).toBe(401)
    expect(await page('http://127.0.0.1:3000')).toBe(401)
    expect(await page('https://evil.example')).toBe(403)
    expect(await page('http://localhost.evil.example:80')).toBe(403)
  })

  it.each([
    ['no-such.ts', '', /The file no-such\.ts does not exist in /],
    ['empty.ts', 'export const other = 1', /empty\.ts exports no contract: write "export const events = defineEvents/],
    [
      'two.ts',
      `${contract(CHAT).replace('const events', 'const a')}; export const b = defineEvents({ ${QUOTES} })`,
      /two\.ts exports several contracts \(a, b\): name one, such as two\.ts#a/,
    ],
    [
      'missing.ts',
      `import 'no-such-package'`,
      /it imports "no-such-package", which is not installed\. Run "npm install no-such-package"/,
    ],
    ['relative.ts', `import './other'`, /it imports other, which does not exist\. Write the file's whole name/],
    ['throws.ts', `throw new Error('not today')`, /throws\.ts can't be loaded: not today/],
    ['enum.ts', `enum A { B }`, /enum\.ts can't be loaded: Node only strips types, so enums/],
  ])('explains a contract that it can not take: %s', async (name, text, message) => {
    if (text !== '') await writeFile(join(folder, name), text)
    const { code, stderr } = await runCli(['dev', name], { cwd: folder })
    expect(stderr).toMatch(message)
    expect([code, stderr.trim().split('\n').length]).toEqual([2, 1])
  })
})

describe.skipIf(isSkipped('chromium'))('the playground', () => {
  let browser: Browser
  let dev: RunningCli
  let url: string
  let problems: string[] = []

  beforeAll(async () => {
    await writeFile(join(folder, 'page.ts'), contract(`${CHAT}, ${SHOP}, ${QUOTES}`))
    dev = startCli(['dev', 'page.ts', '--json'], { cwd: folder })
    ;[{ url }, browser] = await Promise.all([dev.json<Listening>(), launchChromium()])
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    await dev?.stop()
  })
  afterEach(() => {
    problems = []
  })

  async function open(options: Parameters<Browser['newContext']>[0] = {}): Promise<Page> {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options })
    const page = await context.newPage()
    page.setDefaultTimeout(10_000)
    page.on('pageerror', (error) => problems.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text())
    })
    await page.goto(url)
    await page.locator('#status[data-state=open]').waitFor()
    return page
  }

  const row = (page: Page, text: string) => page.locator('#rows li', { hasText: text })

  it('subscribes and publishes by hand, with a form from the schema', async () => {
    const page = await open()
    await page.getByRole('button', { name: 'chat.{room}.message' }).click()
    await page.getByRole('button', { name: 'Subscribe' }).click()
    await page.getByText('Subscribed to chat.*.message.').waitFor()
    await page.locator('#param-room').fill('lobby')
    await page.locator('#data-text').fill('hello from a form')
    await page.locator('#data-mood').selectOption('fine')
    await page.getByRole('button', { name: 'Publish' }).click()
    await row(page, '{"text":"hello from a form","mood":"fine"}').waitFor()
    expect(await page.locator('#outcome').textContent()).toBe('Published to chat.lobby.message.')
    // Events from other publishers are marked if the contract refuses them.
    await runCli(['pub', 'chat.bar.message', '{"text":1}'], { cwd: folder })
    await row(page, 'The contract refuses this: text is an integer, and only string is accepted.').waitFor()
    expect(problems).toEqual([])
    await page.context().close()
  })

  it('reads a stream from the beginning, and sends requests', async () => {
    const page = await open()
    await page.getByRole('button', { name: 'shop.{id}.paid' }).click()
    await page.locator('#param-id').fill('42')
    await page.locator('#data-total').fill('12.5')
    await page.getByLabel('Edit as JSON').check()
    expect(JSON.parse(await page.locator('#json').inputValue())).toMatchObject({
      total: 12.5,
      currency: 'EUR',
      buyer: { name: 'hello' },
    })
    await page.getByRole('button', { name: 'Publish' }).click()
    await page.getByText('Published to shop.42.paid, DEV_SHOP #1.').waitFor()
    await page.locator('#from').selectOption('all')
    await page.getByRole('button', { name: 'Subscribe' }).click()
    await row(page, '#1').waitFor()
    await page.locator('#json').fill('{"total":-1}')
    await page.getByRole('button', { name: 'Publish' }).click()
    await page.getByText('The contract refuses this: ').first().waitFor()

    await page.getByRole('button', { name: 'quotes.{symbol}.get' }).click()
    await page.locator('#param-symbol').fill('ABC')
    await page.getByRole('button', { name: 'Request', exact: true }).click()
    await page
      .getByRole('alert')
      .getByText(/Nobody|no .*responder|answers/i)
      .waitFor()
    expect(problems).toEqual([])
    await page.context().close()
  })

  it('takes any subject, and ends a subscription by its chip', async () => {
    const page = await open()
    await page.getByRole('button', { name: 'Any subject' }).click()
    await page.locator('#param-subject').fill('free.>')
    await page.getByRole('button', { name: 'Subscribe' }).click()
    await page.getByRole('button', { name: 'Stop free.>' }).waitFor()
    await page.locator('#param-subject').fill('free.as.air')
    await page.getByRole('button', { name: 'Publish' }).click()
    await row(page, 'free.as.air').waitFor()
    await page.getByRole('button', { name: 'Stop free.>' }).click()
    expect(await page.locator('#subscriptions li').count()).toBe(0)
    await page.locator('#param-subject').fill('a b')
    await page.getByRole('button', { name: 'Publish' }).click()
    await page.getByRole('alert').getByText("can't be published to").waitFor()
    expect(problems).toEqual([])
    await page.context().close()
  })

  it('has code to paste that runs as it stands', async () => {
    const page = await open()
    await page.getByRole('button', { name: 'chat.{room}.message' }).click()
    await page.locator('#param-room').fill('paste')
    await page.locator('#data-text').fill("it's pasted")
    const code = (await page.locator('#code').textContent()) ?? ''
    // An installed package has the name spanwire. This test uses the sources.
    await writeFile(
      join(folder, 'pasted.ts'),
      `${code.replace("'spanwire'", SDK)}\nawait bus.flush()\nawait bus.close()`,
    )
    const { execFile } = await import('node:child_process')
    const run = (command: string, args: string[]) =>
      new Promise<string>((resolve, reject) => {
        execFile(command, args, { cwd: folder, timeout: 20_000 }, (error, stdout, stderr) =>
          error ? reject(new Error(`${error.message}\n${stderr}`)) : resolve(stdout),
        )
      })
    expect(await run(join(root, 'node_modules/.bin/node'), ['pasted.ts'])).toContain(
      "{ room: 'paste' } { text: \"it's pasted\"",
    )

    await page.getByRole('button', { name: 'curl' }).click()
    const curl = ((await page.locator('#code').textContent()) ?? '').split('\n\n').slice(0, 2).join('\n')
    await page.getByRole('button', { name: 'Subscribe' }).click()
    await page.getByText('Subscribed to chat.paste.message.').waitFor()
    expect(await run('sh', ['-c', curl])).toBe('{}')
    await row(page, "it's pasted").waitFor()
    await page.getByRole('button', { name: 'Terminal' }).click()
    expect(await page.locator('#code').textContent()).toContain(`npx spanwire pub 'chat.paste.message' '{`)
    expect(problems).toEqual([])
    await page.context().close()
  })

  it('shows a contract that changed', async () => {
    const page = await open()
    await writeFile(join(folder, 'page.ts'), contract(`${CHAT}, ${SHOP}, ${QUOTES}, 'added.later': z.object({})`))
    await page.getByRole('button', { name: 'added.later' }).waitFor()
    await writeFile(join(folder, 'page.ts'), `${contract(CHAT)} oops`)
    await page.getByText("page.ts can't be loaded").waitFor()
    await writeFile(join(folder, 'page.ts'), contract(`${CHAT}, ${SHOP}, ${QUOTES}`))
    await page.getByRole('button', { name: 'added.later' }).waitFor({ state: 'detached' })
    expect(problems).toEqual([])
    await page.context().close()
  })

  it('sends no request to another origin, and refuses frames and injected scripts', async () => {
    const page = await open()
    const asked: string[] = []
    page.on('request', (request) => asked.push(request.url()))
    await page.reload()
    await page.locator('#status[data-state=open]').waitFor()
    expect(asked.filter((one) => !one.startsWith(url) && !one.startsWith('data:'))).toEqual([])
    const policy = (await fetch(url)).headers.get('content-security-policy') ?? ''
    expect(policy).toMatch(/default-src 'none'/)
    expect(policy).not.toMatch(/unsafe|\*/)
    const ran = await page.evaluate(() => {
      const script = document.createElement('script')
      script.textContent = 'globalThis.injected = true'
      document.body.append(script)
      return 'injected' in globalThis
    })
    expect(ran).toBe(false)
    await page.context().close()
  })

  it('links to the inspector, which needs no other sign-in', async () => {
    await buildInspector()
    const page = await open()
    await page.getByRole('link', { name: 'Inspector' }).click()
    await page.getByText('Subscriptions').first().waitFor()
    await page.locator('#status[data-state=open]').waitFor()
    expect(new URL(page.url()).hash).toBe('')
    expect(problems).toEqual([])
    await page.context().close()
  })

  it('can be used by keyboard alone', async () => {
    const page = await open()
    const focused = () =>
      page.evaluate(
        () => document.activeElement?.textContent?.trim() || (document.activeElement as HTMLInputElement)?.id,
      )
    await page.keyboard.press('Tab')
    expect(await focused()).toBe('Skip to the event')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    expect(await focused()).toBe('param-room')
    await page.keyboard.type('keys')
    await page.keyboard.press('Enter')
    await page.getByText('Published to chat.keys.message.').waitFor()
    for (let n = 0; n < 40 && (await focused()) !== 'Subscribe'; n++) await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.getByText('Subscribed to chat.keys.message.').waitFor()
    await page.context().close()
  })

  it.each([
    ['light', 1440, 900],
    ['dark', 1440, 900],
    ['light', 360, 780],
    ['dark', 360, 780],
  ] as const)('has nothing that axe-core finds, and nothing cut off: %s, %i px', async (colorScheme, width, height) => {
    const page = await open({ colorScheme, viewport: { width, height } })
    for (const [index, name] of ['shop.{id}.paid', 'chat.{room}.message'].entries()) {
      await page.getByRole('button', { name }).click()
      await page.getByRole('button', { name: 'Subscribe' }).click()
      await page.getByText('Subscribed to').waitFor()
      await page.locator('[id^=param-]').first().fill(`room-${index}`)
      await page.getByRole('button', { name: 'Publish' }).click()
      await page.getByText('Published to').waitFor()
      await page.evaluate(axe.source)
      const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run())
      expect(violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)])).toEqual([])
      expect(
        await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
      ).toBe(0)
      await mkdir(join(root, 'test/screenshots'), { recursive: true })
      await page.screenshot({
        path: join(root, `test/screenshots/playground-${colorScheme}-${width}-${index}.png`),
        fullPage: true,
      })
    }
    expect(problems).toEqual([])
    await page.context().close()
  })
})
