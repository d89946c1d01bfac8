import { execFile } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import puppeteer, { type Browser } from 'puppeteer-core'

const run = promisify(execFile)

const NAMES = ['firefox', 'firefox-esr']
const MAC_APP = '/Applications/Firefox.app/Contents/MacOS/firefox'

/** What to tell somebody who has none. */
export const firefoxHint =
  'Install Firefox (Debian: apt-get install firefox-esr; macOS: brew install --cask firefox) or set FIREFOX to its path.'

/** A Firefox that runs on this machine. */
export interface FoundFirefox {
  readonly path: string
  /** Such as `153.7.0`. */
  readonly version: string
}

/** Looks at `FIREFOX`, PATH and the applications of macOS. */
export async function findFirefox(): Promise<FoundFirefox | undefined> {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  const inPath = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)))
  const named = process.env.FIREFOX
  for (const path of named ? [named] : [...inPath, MAC_APP]) {
    try {
      const { stdout } = await run(path, ['--version'])
      const version = /(\d+(?:\.\d+){1,2})/.exec(stdout)?.[1]
      if (version) return { path, version }
    } catch {
      // Not here.
    }
  }
  return undefined
}

/** Installs Firefox where that is a matter of one command: on Debian and its kin, as root. Set-up only, never a test. */
export async function installFirefox(): Promise<FoundFirefox | undefined> {
  if (process.getuid?.() !== 0 || process.env.FIREFOX) return undefined
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, maxBuffer: 64 * 1024 * 1024 }
  try {
    await run('apt-get', ['update', '-qq'], options)
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'firefox-esr'], options)
  } catch {
    return undefined
  }
  return findFirefox()
}

/** Starts Firefox without a window and with a new profile, by WebDriver BiDi: Playwright has only a Firefox of its own. */
export async function launchFirefox(): Promise<Browser> {
  const found = await findFirefox()
  if (!found) throw new Error(`These tests need Firefox. ${firefoxHint}`)
  return puppeteer.launch({
    browser: 'firefox',
    executablePath: found.path,
    headless: true,
    // It asks nothing of the outside world by itself.
    extraPrefsFirefox: {
      'app.normandy.enabled': false,
      'app.update.enabled': false,
      'browser.safebrowsing.update.enabled': false,
      'datareporting.policy.dataSubmissionEnabled': false,
      'extensions.getAddons.cache.enabled': false,
      'network.captive-portal-service.enabled': false,
      'network.connectivity-service.enabled': false,
      'services.settings.server': '',
    },
  })
}
