import { execFile } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { type Browser, chromium } from 'playwright-core'

const run = promisify(execFile)

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const MAC_APPS = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
]

/** What to tell somebody who has none. */
export const chromiumHint =
  'Install Chromium (Debian: apt-get install chromium; macOS: brew install --cask chromium) or set CHROMIUM to its path.'

/** A Chromium that runs on this machine. */
export interface FoundChromium {
  readonly path: string
  /** Such as `131.0.6778.85`. */
  readonly version: string
}

/** Looks at `CHROMIUM`, PATH and the applications of macOS. */
export async function findChromium(): Promise<FoundChromium | undefined> {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  const inPath = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)))
  const named = process.env.CHROMIUM
  for (const path of named ? [named] : [...inPath, ...MAC_APPS]) {
    const version = await versionOf(path)
    if (version) return { path, version }
  }
  return undefined
}

/** Installs Chromium where that is a matter of one command: on Debian and its kin, as root. Set-up only, never a test. */
export async function installChromium(): Promise<FoundChromium | undefined> {
  if (process.getuid?.() !== 0 || process.env.CHROMIUM) return undefined
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, maxBuffer: 64 * 1024 * 1024 }
  try {
    await run('apt-get', ['update', '-qq'], options)
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], options)
  } catch {
    return undefined
  }
  return findChromium()
}

/** Starts Chromium without a window and with a new profile. It asks nothing of the outside world by itself. */
export async function launchChromium(): Promise<Browser> {
  const found = await findChromium()
  if (!found) throw new Error(`These tests need Chromium. ${chromiumHint}`)
  return chromium.launch({
    executablePath: found.path,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

async function versionOf(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.X_OK)
    const { stdout } = await run(path, ['--version', '--no-sandbox'])
    return /(\d+(?:\.\d+){1,3})/.exec(stdout)?.[1]
  } catch {
    return undefined
  }
}
