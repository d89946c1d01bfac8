import { execFile } from 'node:child_process'
import process from 'node:process'
import { promisify } from 'node:util'
import { findBrokers } from '../../demo/setup/brokers/find-brokers.ts'
import { type FoundNatsServer, findNatsServer, installHint } from '../../demo/setup/nats-server.ts'
import { chromiumHint, findChromium, installChromium } from './chromium.ts'
import { findFirefox, firefoxHint, installFirefox } from './firefox.ts'
import { findGo, findPython, goHint, pythonHint } from './foreign-clients.ts'
import { findNginx, nginxHint } from './nginx.ts'
import type { Runtime } from './runtimes.ts'

const run = promisify(execFile)

/** Programs of this machine that the tests use. */
export interface Machine {
  readonly natsServer: FoundNatsServer
  /** nats-server of the distribution's release, if requested. */
  readonly distribution: FoundNatsServer | undefined
  /** Runtimes whose tests are skipped. */
  readonly missing: readonly Runtime[]
}

export interface MachineOptions {
  /** Whether a missing runtime is an error. */
  readonly strict: boolean
  /** Whether the distribution's nats-server is also needed. */
  readonly distribution: boolean
  readonly report: (line: string) => void
}

/**
 * Finds, downloads or installs the programs that the tests use.
 * @throws Error that names the missing program and its installation
 */
export async function findMachine({ strict, distribution, report }: MachineOptions): Promise<Machine> {
  report('Test environment:')
  const line = (name: string, what: string) => report(`  ${name.padEnd(12)} ${what}`)
  line('node', process.versions.node)

  const natsServer = await findNatsServer('newest')
  if (!natsServer) throw new Error(`The tests need nats-server. ${installHint}`)
  line('nats-server', `${natsServer.version} (${natsServer.source}: ${natsServer.path})`)
  const older = distribution ? await findNatsServer('distribution') : undefined
  if (older) line('', `${older.version} (${older.source}: ${older.path})`)
  else if (distribution && strict) {
    throw new Error(
      "With CI=true the tests also need the distribution's nats-server, and apt-get cannot download it here.",
    )
  } else if (distribution) line('', "the distribution's: none (skipped)")

  const missing: Runtime[] = []
  const need = (runtime: Runtime, version: string | undefined, hint: string) => {
    if (version) return line(runtime, version)
    if (strict) throw new Error(`With CI=true the tests need ${runtime}. ${hint}`)
    line(runtime, `none (its tests are skipped). ${hint}`)
    missing.push(runtime)
  }
  const chromium = (await findChromium()) ?? (await install('Chromium', installChromium, report))
  need('chromium', chromium && `${chromium.version} (${chromium.path})`, chromiumHint)
  const firefox = (await findFirefox()) ?? (await install('Firefox', installFirefox, report))
  need('firefox', firefox && `${firefox.version} (${firefox.path})`, firefoxHint)
  // Both come with the dependencies.
  for (const runtime of ['deno', 'bun'] as const) {
    need(runtime, await versionOf(runtime), 'Delete node_modules and try again.')
  }
  const nginx = await findNginx()
  need('nginx', nginx && `${nginx.version} (${nginx.path})`, nginxHint)
  for (const { kind, version, hint } of await findBrokers()) need(kind, version, hint)
  const go = await findGo()
  need('go', go && `${go.version} (${go.path})`, goHint)
  const python = await findPython()
  need('python', python && `${python.version} (${python.path})`, pythonHint)
  report('')
  return { natsServer, distribution: older, missing }
}

async function install<Found>(name: string, by: () => Promise<Found>, report: (line: string) => void): Promise<Found> {
  if (process.getuid?.() === 0) report(`  Installing ${name} by apt-get …`)
  return by()
}

async function versionOf(runtime: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(runtime, ['--version'])
    return /\d+\.\d+\.\d+/.exec(stdout)?.[0]
  } catch {
    return undefined
  }
}
