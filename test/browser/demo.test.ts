import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import axe from 'axe-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { events, MESSAGE, MESSAGES_KEPT, ROOM } from '../../demo/events.ts'
import { type Control, startControl } from '../../demo/setup/control.ts'
import { connect } from '../../sdk/index.ts'
import { launchChromium } from '../support/chromium.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { faintTexts } from './demo-contrast.ts'
import { cutOffTexts } from './demo-cut-off.ts'
import { runProgram } from './demo-program.ts'
import { type DemoStack, startDemo } from './demo-stack.ts'
import { tapWire, type Wire } from './demo-wire.ts'

// Events arrive at the pace of the recorded flights. Every wait below has a separate deadline.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const DESKTOP = { width: 1440, height: 900 }
const PHONE = { width: 360, height: 780 }
/** Polls up to 15 s: a busy machine is slow. */
const poll: typeof expect.poll = (value, options) => expect.poll(value, { timeout: 15_000, ...options })
/** Half of the height of the first version of the page at this width, in px. */
const LONGEST_PHONE_PAGE = 1_587
const DEPARTURE = /^flights\.[A-Z]{3}\.[A-Z]{3}\.departed$/
/** Errors that the browser itself prints: of failed dials, and of the request that finds out why one failed. */
const OF_DIALS = /WebSocket|ERR_CONNECTION_REFUSED|426 \(Upgrade Required\)/
const screenshots = fileURLToPath(new URL('../screenshots/', import.meta.url))

let nats: NatsServer
let control: Control
let stack: DemoStack
let browser: Browser
/** Errors in the pages of the running test. */
let problems: string[] = []
const pages: Page[] = []

beforeAll(async () => {
  nats = await startNatsServer({ jetstream: true })
  control = await startControl(() => void nats.stop())
  ;[stack, browser] = await Promise.all([startDemo(nats.url, control.url), launchChromium()])
})

afterAll(async () => {
  await browser?.close()
  await stack?.close()
  await control?.stop()
  await nats?.[Symbol.asyncDispose]()
})

afterEach(async () => {
  for (const page of pages.splice(0)) await page.context().close()
  problems = []
})

async function open(options: BrowserContextOptions = {}): Promise<{ page: Page; wire: Wire }> {
  const context = await browser.newContext({ viewport: DESKTOP, ...options })
  const page = await context.newPage()
  pages.push(page)
  page.setDefaultTimeout(15_000)
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text())
  })
  await page.addInitScript(() => {
    const shifts = { total: 0 }
    Object.assign(globalThis, { shifts })
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) shifts.total += (entry as PerformanceEntry & { value: number }).value
    }).observe({ type: 'layout-shift', buffered: true })
  })
  const wire = tapWire(page)
  await page.goto(stack.url)
  return { page, wire }
}

const statusOf = (page: Page) => page.locator('#status')
const countOf = async (page: Page) =>
  Number(((await page.locator('#received').textContent()) ?? '').replaceAll(',', ''))

async function live(page: Page, more = 5): Promise<void> {
  await poll(() => statusOf(page).getAttribute('data-state')).toBe('open')
  const before = await countOf(page)
  await poll(() => countOf(page)).toBeGreaterThanOrEqual(before + more)
}

/** Returns the sequences of the flights in the inspector, the newest first. */
function flightSeqs(page: Page): Promise<number[]> {
  return page.locator('#events tr').evaluateAll((rows) =>
    rows
      .map((row) => [...row.children].map((cell) => cell.textContent))
      .filter(([subject]) => subject?.startsWith('flights.'))
      .map(([, seq]) => Number(seq)),
  )
}

/** Returns the `count` messages after the first one of the newest subscription. */
async function messagesOfNewest(wire: Wire, count: number): Promise<string[]> {
  const newest = wire.sent
    .findLast((line) => /^SUB \$EDGE\.REPLAY\.\S+\.flights\./.test(line))
    ?.split(' ')
    .at(-1)
  const start = () => wire.received.findIndex((message) => message.sid === newest)
  await poll(() => (start() < 0 ? 0 : wire.received.length - start()), { timeout: 30_000 }).toBeGreaterThan(count)
  // The other messages are statuses of the replay.
  const subjects = wire.received.slice(start()).map((message) => message.subject)
  return subjects.filter((subject) => subject !== '$EDGE.REPLAY')
}

describe('the demo page', () => {
  it('shows flights as they depart, from both publishers', async () => {
    const { page, wire } = await open()
    await live(page)
    const other = wire.received.filter(({ subject }) => !DEPARTURE.test(subject))
    expect(other.every(({ subject }) => /^\$EDGE\.(REPLAY$|PRESENCE\.)/.test(subject))).toBe(true)
    const via = page.locator('#board td:nth-child(5)')
    await poll(async () => [...new Set(await via.allTextContents())], { timeout: 30_000 }).toEqual(
      expect.arrayContaining(['HTTP', 'NATS']),
    )
    await poll(() => page.locator('#p50').textContent()).toMatch(/^[\d.,]+ ms$/)
    expect(await page.locator('#clock').getAttribute('datetime')).toMatch(/^2001-0[1-3]-\d\dT\d\d:\d\d$/)
    expect(await paintedPixels(page)).toBeGreaterThan(500)
    expect(problems).toEqual([])
  })

  it('draws flights that departed after their first frame began, as on a busy machine', async () => {
    const { page } = await open()
    await page.addInitScript(() => {
      const request = globalThis.requestAnimationFrame
      globalThis.requestAnimationFrame = (draw) => request((now) => draw(now - 300))
    })
    await page.reload()
    await live(page, 20)
    expect(problems).toEqual([])
  })

  it('filters at the server: only flights of the selected airport are sent', async () => {
    const { page, wire } = await open()
    await live(page)
    const everything = wire.received.at(-1)?.sid
    await page.locator('#origin').selectOption('ORD')
    await poll(() => wire.sent.join('\n')).toMatch(/^SUB \$EDGE\.REPLAY\.n100\.flights\.ORD\.\*\.departed /m)
    for (const subject of await messagesOfNewest(wire, 4)) expect(subject).toMatch(/^flights\.ORD\./)
    expect(wire.sent).toContain(`UNSUB ${everything}`)
    expect(await page.locator('#subject').textContent()).toBe('flights.ORD.*.departed')
    expect(await page.locator('#code').textContent()).toContain("{ origin: 'ORD', destination: '*' }")
    expect(await page.locator('#ranking-title').textContent()).toBe('Where ORD flies to')

    await page.locator('#origin').selectOption('*')
    await page.locator('#destination').selectOption('DFW')
    await poll(() => wire.sent.join('\n')).toMatch(/^SUB \$EDGE\.REPLAY\.n100\.flights\.\*\.DFW\.departed /m)
    for (const subject of await messagesOfNewest(wire, 3)) expect(subject).toMatch(/^flights\.[A-Z]{3}\.DFW\./)

    await page.getByRole('button', { name: 'Show all' }).click()
    await live(page)
    expect(await page.locator('#subject').textContent()).toBe('flights.*.*.departed')
    expect(wire.sockets).toBe(1)
    expect(problems).toEqual([])
  })

  it('filters by a click on an airport of the map', async () => {
    const { page } = await open()
    await live(page)
    const box = await page.locator('#map').boundingBox()
    if (!box) throw new Error('no map')
    const place = { x: (box.width * 677) / 975, y: box.height * 0.33 }
    await page.mouse.move(box.x + place.x, box.y + place.y)
    await poll(() => page.locator('#tip').isVisible()).toBe(true)
    const code = ((await page.locator('#tip').textContent()) ?? '').slice(0, 3)
    await page.mouse.click(box.x + place.x, box.y + place.y)
    expect(await page.locator('#subject').textContent()).toBe(`flights.${code}.*.departed`)
    expect(await page.locator('#origin').inputValue()).toBe(code)
    expect(problems).toEqual([])
  })

  it('delivers a chat message to all visitors', async () => {
    const [ada, grace] = [(await open()).page, (await open()).page]
    await Promise.all([live(ada, 1), live(grace, 1)])
    await ada.locator('#name').fill('Ada')
    await ada.locator('#text').fill('<b>hello</b> from one window')
    await ada.locator('#text').press('Enter')
    for (const page of [ada, grace]) {
      const message = page.locator('#log .message', { hasText: '<b>hello</b> from one window' })
      await poll(() => message.count()).toBe(1)
    }
    expect(await ada.locator('#text').inputValue()).toBe('')
    await ada.locator('#text').fill('not sent, but in the code')
    expect(await ada.locator('#code').textContent()).toMatch(/name: 'Ada',\s+text: 'not sent, but in the code'/)
    expect(problems).toEqual([])
  })

  it('shows that it reconnects when the bridge closes, and continues afterwards', async () => {
    const { page, wire } = await open()
    await live(page)
    await page.locator('#origin').selectOption('ATL')
    await stack.stopBridge()
    await poll(() => statusOf(page).getAttribute('data-state')).toBe('reconnecting')
    expect(await statusOf(page).textContent()).toBe('Reconnecting')
    expect(await page.locator('#banner').isVisible()).toBe(true)
    await stack.startBridge()
    await live(page, 2)
    // The second socket resumes after the last event of the first.
    const subscribed = wire.sent.filter((line) => /^SUB \$EDGE\.REPLAY\.\S+\.flights\.ATL\./.test(line))
    expect(subscribed).toHaveLength(2)
    expect(subscribed[0]).toContain('REPLAY.n100.')
    expect(await page.locator('#banner').isVisible()).toBe(false)
    expect(problems.filter((problem) => !OF_DIALS.test(problem))).toEqual([])
  })

  it('keeps its socket during an outage of NATS, and shows the outage', async () => {
    const { page, wire } = await open()
    await live(page)
    try {
      await page.getByRole('button', { name: 'Kill NATS' }).click()
      await poll(() => statusOf(page).getAttribute('data-state')).toBe('reconnecting')
      await poll(() => page.locator('#outcome').textContent()).toBe('NATS is down. This page keeps its socket.')
      expect(await statusOf(page).getAttribute('title')).toContain('upstream-unavailable')
    } finally {
      await nats.restart()
    }
    await live(page)
    await poll(() => page.locator('#outcome').textContent()).toMatch(/^Back after .* None is missing\.$/)
    expect(wire.sockets).toBe(1)
    expect(problems).toEqual([])
  })

  it('has a guide, whose pages link to each other', async () => {
    const { page } = await open()
    await page.getByRole('link', { name: 'Read the guide' }).click()
    expect(await page.locator('h1').first().textContent()).toBe('Spanwire')
    const links = await page.locator('main a[href$=".html"]').all()
    expect(links.length).toBeGreaterThan(3)
    await links[0]?.click()
    expect(await page.locator('h1').count()).toBe(1)
    expect(await accessibilityProblems(page)).toEqual([])
    expect(problems).toEqual([])
  })
})

describe('the demo page with streams and presence', () => {
  it('is filled from the stream at once, and after a change of the filter', async () => {
    const { page } = await open()
    const fills = () => poll(() => page.locator('#events td', { hasText: /^replay$/ }).count()).toBeGreaterThan(0)
    await fills()
    await poll(() => countOf(page)).toBeGreaterThan(20)
    // The inspector shows no past event any more.
    await poll(() => page.locator('#events td', { hasText: /^replay$/ }).count(), { timeout: 30_000 }).toBe(0)
    await page.locator('#origin').selectOption('ORD')
    await fills()
    expect(await page.locator('#board tr:not(.blank)').count()).toBeGreaterThan(5)
    expect(problems).toEqual([])
  })

  it('shows a program that runs as it stands, with the filter and the message of the visitor', async () => {
    const { page } = await open()
    await page.locator('#origin').selectOption('DFW')
    await page.locator('#name').fill("Ada's")
    await page.locator('#text').fill('from \\ a "program"')
    await live(page, 1)
    await using program = await runProgram((await page.locator('#code').textContent()) ?? '')
    await eventually(() => program.output().split('\n').length > 5, {
      what: `flights of the program\n${program.output()}`,
    })
    expect(program.output()).toMatch(/^(flights\.DFW\.[A-Z]{3}\.departed -?\d+ min late\n)+$/)
    const said = page.locator('#log .message', { hasText: 'from \\ a "program"' })
    await poll(() => said.count()).toBe(1)
    expect(await said.textContent()).toContain("Ada's")
    expect(problems).toEqual([])
  })

  it('keeps the last 20 messages of the chat for visitors that come later', async () => {
    const token = async () => ((await (await fetch(`${stack.url}/demo/token`)).json()) as { token: string }).token
    await using bus = connect({ url: stack.url, events, token })
    for (let i = 1; i <= MESSAGES_KEPT + 2; i++)
      await bus.publish(MESSAGE, { room: ROOM }, { name: 'Ada', text: `No. ${i}` })
    const { page } = await open()
    const messages = page.locator('#log .message')
    await poll(() => messages.count()).toBe(MESSAGES_KEPT)
    expect(await messages.first().textContent()).toMatch(/No\. 3$/)
    expect(await messages.last().textContent()).toMatch(/No\. 22$/)
    expect(problems).toEqual([])
  })

  it('replays the flights of the last minutes in order, then live ones', async () => {
    const { page, wire } = await open()
    await live(page, 30)
    // A short replay ends before the test can read it.
    const said = page.evaluate(
      () =>
        new Promise<string>((resolve) => {
          const text = document.querySelector('#back-text') as HTMLElement
          const observer = new MutationObserver(() => /Replay/.test(text.textContent) && resolve(text.textContent))
          observer.observe(text, { childList: true })
        }),
    )
    await page.locator('#back').focus()
    await page.locator('#back').fill('-600')
    await poll(() => wire.sent.join('\n')).toMatch(/^SUB \$EDGE\.REPLAY\.t\d+\.flights\.\*\.\*\.departed /m)
    expect(await said).toMatch(/^Replay of \d\d:\d\d:\d\d$/)
    await poll(() => page.locator('#back-text').textContent(), { timeout: 30_000 }).toBe('Live')
    const seqs = await flightSeqs(page)
    expect(seqs.length).toBeGreaterThan(10)
    // No event is missing or repeated. The newest is the first row.
    expect(seqs).toEqual(seqs.map((_, i) => (seqs[0] ?? 0) - i))
    expect(problems).toEqual([])
  })

  it('loses no flight and no message across a network outage', async () => {
    const [ada, grace] = [(await open()).page, (await open()).page]
    await Promise.all([live(ada, 5), live(grace, 1)])
    await ada.getByRole('button', { name: 'Cut the network' }).click()
    await poll(() => statusOf(ada).getAttribute('data-state')).toBe('reconnecting')
    expect(await ada.locator('#banner').textContent()).toContain('You have cut the network.')
    await ada.locator('#name').fill('Ada')
    await ada.locator('#text').fill('said in a tunnel')
    await ada.locator('#text').press('Enter')
    const before = await countOf(grace)
    await poll(() => countOf(grace), { timeout: 20_000 }).toBeGreaterThan(before + 20)
    const said = grace.locator('#log .message', { hasText: 'said in a tunnel' })
    expect(await said.count()).toBe(0)
    await ada.getByRole('button', { name: 'Bring it back' }).click()
    await live(ada, 25)
    await poll(() => said.count()).toBe(1)
    expect(await ada.locator('#outcome').textContent()).toMatch(
      /^Back after [\d.]+ s\. \d+ flights arrived late\. None is missing\.$/,
    )
    const seqs = await flightSeqs(ada)
    expect(seqs).toEqual(seqs.map((_, i) => (seqs[0] ?? 0) - i))
    expect(problems.filter((problem) => !OF_DIALS.test(problem))).toEqual([])
  })

  it('shows present and typing visitors', async () => {
    const [ada, grace] = [(await open()).page, (await open()).page]
    await Promise.all([live(ada, 1), live(grace, 1)])
    await ada.locator('#name').fill('Ada')
    await grace.locator('#name').fill('Grace')
    for (const page of [ada, grace]) await poll(() => page.locator('#people').textContent()).toBe('2 here: Ada, Grace')
    await ada.locator('#text').fill('h')
    await poll(() => grace.locator('#typing').textContent()).toBe('Ada typing …')
    expect(await ada.locator('#typing').textContent()).toBe('')
    await poll(() => grace.locator('#typing').textContent(), { timeout: 5_000 }).toBe('')
    await ada.context().close()
    await poll(() => grace.locator('#people').textContent()).toBe('1 here: Grace')
    expect(problems).toEqual([])
  })

  it('shows received events in the inspector, and searches them', async () => {
    const { page } = await open()
    await live(page, 20)
    const cells = () => page.locator('#events tr').first().locator('td').allTextContents()
    // In one reading: the first row is another one a moment later.
    await poll(cells).toEqual([
      expect.stringMatching(DEPARTURE),
      expect.stringMatching(/^\d+$/),
      expect.stringMatching(/^\{"departedAt":/),
      expect.stringMatching(/^\d{2,3}$/),
      expect.stringMatching(/^(\d+ ms|replay)$/),
      expect.stringMatching(/^[0-9a-f]{16}$/),
    ])
    const subjects = await page.locator('#events td:nth-child(1)').allTextContents()
    const first = subjects.find((subject) => DEPARTURE.test(subject)) ?? ''
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.locator('#find').fill(first.toUpperCase())
    const found = await page.locator('#events tr:not([hidden]) td:nth-child(1)').allTextContents()
    expect(new Set(found)).toEqual(new Set([first]))
    expect(await page.locator('#inspected').textContent()).toMatch(/^\d+ of \d+$/)

    // A row opens by a click and by the keyboard.
    const row = page.locator('#events tr:not(.detail)').first()
    await row.click()
    const detail = page.locator('#events .detail')
    expect(await detail.locator('dd').allTextContents()).toEqual(
      expect.arrayContaining([first, expect.stringMatching(/^00-/)]),
    )
    expect(JSON.parse((await detail.locator('pre').textContent()) ?? '')).toHaveProperty('departedAt')
    await row.locator('button').focus()
    await page.keyboard.press('Enter')
    expect(await detail.count()).toBe(0)
    expect(problems).toEqual([])
  })
})

describe('accessibility of the demo page', () => {
  it('can be used by keyboard alone, and shows the focus', async () => {
    const { page, wire } = await open()
    await live(page, 1)
    const reached: string[] = []
    for (let i = 0; i < 9; i++) {
      await page.keyboard.press('Tab')
      const focus = await page.evaluate(() => {
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement ?? document.body)
        return { id: document.activeElement?.id ?? '', ring: outlineStyle !== 'none' && outlineWidth !== '0px' }
      })
      expect(focus.ring, `the ring around #${focus.id}`).toBe(true)
      reached.push(focus.id)
      if (focus.id === 'origin') break
    }
    // The skip link, the theme, the copy button and the guide.
    expect(reached).toEqual(['', 'theme', '', '', 'origin'])
    await page.keyboard.type('LAX')
    await poll(() => wire.sent.join('\n')).toMatch(/^SUB \$EDGE\.REPLAY\.n100\.flights\.LAX\.\*\.departed /m)
    await page.locator('#theme').focus()
    await page.keyboard.press('Space')
    expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark')
    expect(await page.locator('#theme').getAttribute('aria-pressed')).toBe('true')
    await page.locator('#clear').focus()
    await page.keyboard.press('Enter')
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('origin')
    expect(problems).toEqual([])
  })

  for (const viewport of [DESKTOP, { width: 900, height: 900 }, PHONE]) {
    it(`neither jumps, scrolls sideways nor cuts off a text at ${viewport.width} px`, async () => {
      const { page } = await open({ viewport })
      await live(page, 30)
      await page.locator('#origin').selectOption('DFW')
      await live(page, 2)
      expect(
        await page.evaluate(() => (globalThis as unknown as { shifts: { total: number } }).shifts.total),
      ).toBeLessThan(0.005)
      const sideways = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      expect(sideways).toBeLessThanOrEqual(0)
      expect(await cutOffTexts(page)).toEqual([])
      const height = await page.evaluate(() => document.documentElement.scrollHeight)
      if (viewport === PHONE) expect(height).toBeLessThanOrEqual(LONGEST_PHONE_PAGE)
    })
  }

  it('does not move anything with reduced motion', async () => {
    const { page } = await open({ reducedMotion: 'reduce' })
    await live(page, 10)
    const frames = await page.evaluate(async () => {
      const proto = CanvasRenderingContext2D.prototype
      const clear = proto.clearRect
      let count = 0
      proto.clearRect = function (...box) {
        if (this.canvas.id === 'flights') count++
        clear.apply(this, box)
      }
      await new Promise((resolve) => setTimeout(resolve, 2_000))
      proto.clearRect = clear
      return count
    })
    expect(frames).toBeLessThan(10)
    expect(await paintedPixels(page)).toBeGreaterThan(500)
    expect(problems).toEqual([])
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`has enough contrast in ${colorScheme}, on a desktop and on a phone`, async () => {
      await mkdir(screenshots, { recursive: true })
      for (const [name, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
        const { page } = await open({ viewport, colorScheme, deviceScaleFactor: name === 'phone' ? 2 : 1 })
        if (name === 'phone') await page.getByRole('tab', { name: 'Chat' }).click()
        await page.locator('#name').fill('Grace')
        await page.locator('#text').fill('Denver is all orange today.')
        await page.locator('#text').press('Enter')
        await live(page, 60)
        expect(await faintTexts(page)).toEqual([])
        expect(await accessibilityProblems(page)).toEqual([])
        await page.screenshot({ path: `${screenshots}demo-${name}-${colorScheme}.png`, fullPage: true })
      }
      expect(problems).toEqual([])
    })
  }
})

/** Violations of all rules of axe-core. */
async function accessibilityProblems(page: Page): Promise<string[]> {
  await page.addScriptTag({ content: axe.source })
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof import('axe-core') }
    const found = await axe.run(document)
    return { checked: found.passes.length, violations: found.violations }
  })
  expect(violations.checked).toBeGreaterThan(20)
  return violations.violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`,
  )
}

/** Number of painted pixels of the canvas. */
function paintedPixels(page: Page): Promise<number> {
  return page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('#flights')
    const data = canvas?.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? []
    let painted = 0
    for (let i = 3; i < data.length; i += 4) if (data[i] !== 0) painted++
    return painted
  })
}
