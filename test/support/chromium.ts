import { type Browser, chromium } from 'playwright-core'
import { type FoundProgram, findProgram, installProgram, type ProgramPlaces } from './programs.ts'

const places: ProgramPlaces = {
  variable: 'CHROMIUM',
  names: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
  apps: [
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
  ],
  versionArgs: ['--version', '--no-sandbox'],
}

/** Instructions for machines without Chromium. */
export const chromiumHint =
  'Install Chromium (Debian: apt-get install chromium; macOS: brew install --cask chromium) or set CHROMIUM to its path.'

/** Looks for Chromium in `CHROMIUM`, PATH and the applications of macOS. */
export function findChromium(): Promise<FoundProgram | undefined> {
  return findProgram(places)
}

/** Installs Chromium with apt, if the process runs as root. */
export function installChromium(): Promise<FoundProgram | undefined> {
  return installProgram('chromium', places)
}

/** Chromium makes no requests to other hosts by itself. */
export const chromiumArgs: readonly string[] = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Starts Chromium without a window and with a new profile. It makes no requests to other hosts. */
export async function launchChromium(args: readonly string[] = []): Promise<Browser> {
  const found = await findChromium()
  if (!found) throw new Error(`These tests need Chromium. ${chromiumHint}`)
  return chromium.launch({
    executablePath: found.path,
    headless: true,
    args: [...chromiumArgs, ...args],
  })
}
