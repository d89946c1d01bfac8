import puppeteer, { type Browser } from 'puppeteer-core'
import { type FoundProgram, findProgram, installProgram, type ProgramPlaces } from './programs.ts'

const places: ProgramPlaces = {
  variable: 'FIREFOX',
  names: ['firefox', 'firefox-esr'],
  apps: ['/Applications/Firefox.app/Contents/MacOS/firefox'],
  versionArgs: ['--version'],
}

/** Instructions for machines without Firefox. */
export const firefoxHint =
  'Install Firefox (Debian: apt-get install firefox-esr; macOS: brew install --cask firefox) or set FIREFOX to its path.'

/** Looks for Firefox in `FIREFOX`, PATH and the applications of macOS. */
export function findFirefox(): Promise<FoundProgram | undefined> {
  return findProgram(places)
}

/** Installs Firefox with apt, if the process runs as root. */
export function installFirefox(): Promise<FoundProgram | undefined> {
  return installProgram('firefox-esr', places)
}

/** Starts Firefox without a window and with a new profile. Uses WebDriver BiDi: Playwright needs a patched Firefox. */
export async function launchFirefox(): Promise<Browser> {
  const found = await findFirefox()
  if (!found) throw new Error(`These tests need Firefox. ${firefoxHint}`)
  return puppeteer.launch({
    browser: 'firefox',
    executablePath: found.path,
    headless: true,
    // Firefox makes no requests to other hosts.
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
