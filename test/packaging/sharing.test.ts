/** `share: true` in a build of each bundler: all tabs use one connection, in a SharedWorker. */
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { launchChromium } from '../support/chromium.ts'
import { eventually } from '../support/eventually.ts'
import { openToAll } from '../support/open-to-all.ts'
import { isSkipped } from '../support/runtimes.ts'
import { packPackage } from './package.ts'
import { createProject } from './project.ts'
import { serveFolder } from './serve-folder.ts'

/** Packages and command of each bundler. */
const BUNDLERS = {
  vite: { packages: ['vite@8.3.8'], command: ['vite', 'build'], output: 'dist' },
  webpack: { packages: ['webpack@5.113.0', 'webpack-cli@7.3.1'], command: ['webpack'], output: 'site' },
} as const

describe.skipIf(isSkipped('chromium'))('tabs share a connection', () => {
  let tarball: string
  let browser: Browser
  let bridge: BridgeServer
  beforeAll(async () => {
    ;({ tarball } = await packPackage())
    bridge = await serve({ upstream: 'embedded', auth: openToAll, origins: '*' })
    browser = await launchChromium()
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    await bridge?.close()
    if (tarball) await rm(dirname(tarball), { recursive: true, force: true })
  })

  it.each(Object.entries(BUNDLERS))(
    'in a build of %s',
    async (bundler, { packages, command: [program, ...args], output }) => {
      await using app = await createProject(`sharing-${bundler}`, [tarball, ...packages])
      await app.run(join(app.folder, 'node_modules/.bin', program), ...args)
      await using files = await serveFolder(join(app.folder, output))
      const context = await browser.newContext()
      try {
        const tabs = [await context.newPage(), await context.newPage()]
        for (const tab of tabs) {
          await tab.goto(`${files.url}/?bridge=${bridge.url}`)
          await tab.waitForFunction(() => document.title === 'ready', undefined, { timeout: 30_000 })
        }
        expect(bridge.bridge.hub.stats.connections).toBe(1)
        const held = await tabs[0]?.evaluate(async () => (await navigator.locks.query()).held?.map(({ name }) => name))
        expect(held, 'the lock of the worker').toContain('spanwire default host')
        await tabs[0]?.locator('body').dispatchEvent('click')
        for (const tab of tabs) await tab.getByText('hello').waitFor()
      } finally {
        await context.close()
      }
      await eventually(() => bridge.bridge.hub.stats.connections === 0, { what: 'the end of the connection' })
    },
    180_000,
  )
})
