import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { recordedModel } from '../../demo/ai-answer/model.ts'
import type { Model } from '../../demo/ai-answer/service.ts'
import { startExample } from '../../demo/ai-answer/start.ts'
import { launchChromium } from '../support/chromium.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'

/** Number of tokens before the pause of {@link model}. */
const BEFORE = 10
/** The model fails once for this question, after its first tokens. */
const FAILS = 'Please fail once'
let hasFailed = false
/** Ends the pause of all answers. */
let goOn = Promise.withResolvers<void>()

/** The recorded model, which pauses after its first tokens, so that a test can act in the middle of an answer. */
const model: Model = async function* (question, signal) {
  const stopped = new Promise((resolve) => signal.addEventListener('abort', resolve))
  let count = 0
  for await (const token of recordedModel(question, signal, 0)) {
    if (count++ === BEFORE) await Promise.race([goOn.promise, stopped])
    if (count > BEFORE && question === FAILS && !hasFailed) {
      hasFailed = true
      throw new Error('a model that fails once')
    }
    if (signal.aborted) return
    yield token
  }
}

// A question may be delivered again after 30 s.
vi.setConfig({ testTimeout: 120_000 })

let nats: NatsServer
let example: Awaited<ReturnType<typeof startExample>>
let browser: Browser
const problems: string[] = []

beforeAll(async () => {
  nats = await startNatsServer({ jetstream: true })
  ;[example, browser] = await Promise.all([startExample({ upstream: nats.url, model }), launchChromium()])
})

afterAll(async () => {
  await browser?.close()
  await example?.close()
  await nats?.[Symbol.asyncDispose]()
})

/** Opens the page with a profile of its own, as on another device. */
async function device(url = example.url): Promise<Page> {
  const page = await (await browser.newContext()).newPage()
  page.setDefaultTimeout(40_000)
  page.on('pageerror', (error) => problems.push(error.message))
  await page.goto(url)
  return page
}

async function ask(page: Page, question: string): Promise<void> {
  await page.locator('#text').fill(question)
  await page.getByRole('button', { name: 'Send' }).click()
}

const textOf = async (page: Page) => (await page.locator('#answer').textContent()) ?? ''
const ends = (page: Page, state: string) =>
  expect.poll(() => page.locator('#state').textContent(), { timeout: 40_000 }).toBe(state)
const shows = (page: Page, text: string) => expect.poll(() => textOf(page), { timeout: 40_000 }).toBe(text)

/** Resolves to the text of the first tokens, once a page shows them. */
async function beginning(page: Page): Promise<string> {
  await expect.poll(async () => (await textOf(page)).length, { timeout: 40_000 }).toBeGreaterThan(BEFORE)
  const tokens: string[] = []
  for await (const token of recordedModel('', new AbortController().signal, 0)) tokens.push(token)
  const first = tokens.slice(0, BEFORE).join('')
  await shows(page, first)
  return first
}

it('an answer survives a reload, continues on a second device, and is read from its beginning later', async () => {
  const phone = await device()
  await ask(phone, 'What is a stream?')
  const first = await beginning(phone)
  await phone.reload()
  const laptop = await device(phone.url())
  for (const page of [phone, laptop]) {
    await shows(page, first)
    await ends(page, 'answering')
  }
  goOn.resolve()
  for (const page of [phone, laptop]) await ends(page, 'complete')

  const late = await device(phone.url())
  await ends(late, 'complete')
  const whole = await textOf(phone)
  expect(whole.startsWith(first)).toBe(true)
  expect(whole).toMatch(/^NATS delivers .* need no tokens\.$/)
  for (const page of [laptop, late]) {
    expect(await textOf(page)).toBe(whole)
    expect(await page.locator('#question').textContent()).toBe('What is a stream?')
  }
  expect(problems).toEqual([])
})

it('a second device stops an answer, and both devices show the same part of it', async () => {
  goOn = Promise.withResolvers()
  const phone = await device()
  await ask(phone, 'Please stop')
  const first = await beginning(phone)
  const laptop = await device(phone.url())
  await laptop.getByRole('button', { name: 'Stop' }).click()
  for (const page of [phone, laptop]) {
    await ends(page, 'stopped')
    await shows(page, first)
  }

  // Another answer of the same page begins and ends independently.
  goOn.resolve()
  await ask(phone, 'And now?')
  await ends(phone, 'complete')
  await shows(laptop, first)
  expect(problems).toEqual([])
})

it('an answer begins again after a failure of the model, in place of its first part', async () => {
  goOn = Promise.withResolvers()
  const page = await device()
  await ask(page, FAILS)
  await beginning(page)
  goOn.resolve()
  await ends(page, 'complete')
  expect(hasFailed).toBe(true)
  expect((await textOf(page)).match(/NATS delivers/g)).toHaveLength(1)
  expect(problems).toEqual([])
})
