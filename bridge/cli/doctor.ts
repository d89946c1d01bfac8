import { Option } from 'commander'
import { nats } from '../../sdk/transport/nats/index.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import type { AddCommand, CommandContext } from './command.ts'
import { addConnectionOptions, type ConnectionFlags, readTarget, type Target } from './connection/connection-options.ts'
import { toFilter } from './connection/subject-choice.ts'
import type { Finding } from './doctor/finding.ts'
import { loadConfig } from './settings/config-file.ts'
import { EXIT } from './terminal/exit-code.ts'
import type { Tone } from './terminal/terminal.ts'

interface DoctorFlags extends ConnectionFlags {
  readonly origin?: string
  readonly contract?: string
  readonly publish?: readonly string[]
  readonly subscribe?: readonly string[]
  readonly json?: boolean
}

/** `spanwire doctor`: why a client does not get through, or gets nothing. */
export const addDoctor: AddCommand = (program, context) => {
  const list = (flag: string, help: string) =>
    new Option(`--${flag} <event>`, help).argParser((text: string, previous: readonly string[] = []) => [
      ...previous,
      text,
    ])
  const command = program
    .command('doctor')
    .description('find faults between a client and its events; exits with 1 if a check fails')
    .argument('[address]', 'the bridge, as clients are given it (default: as --url)')
    .option('--origin <origin>', 'a page that must be allowed to connect, such as https://app.example.com')
    .option('--contract <file>', 'check the streams of this contract (default: "contract" of spanwire.config.ts)')
    .addOption(list('publish', 'an event or subject that must be permitted; repeatable'))
    .addOption(list('subscribe', 'an event or filter that must be permitted; repeatable'))
    .option('--json', 'a JSON array of findings')
  addConnectionOptions(command).action(async (address: string | undefined, flags: DoctorFlags) => {
    context.exitWith(await examine(address, flags, context))
  })
}

async function examine(address: string | undefined, flags: DoctorFlags, context: CommandContext): Promise<number> {
  const { terminal, env } = context
  const target = await readTarget({ ...flags, ...(address !== undefined && { url: address }) }, env)
  const findings: Finding[] = []
  const add = (...more: readonly Finding[]) => {
    findings.push(...more)
    if (!flags.json)
      for (const finding of more) for (const line of describe(finding, terminal.paint)) terminal.out(line)
  }
  await (/^(nats|tls):/.test(target.url) ? examineNats : examineBridge)(target, flags, context, add)
  if (flags.json) terminal.out(JSON.stringify(findings))
  const count = findings.filter(({ verdict }) => verdict === 'fail').length
  if (!flags.json)
    terminal.note(
      count === 0 ? terminal.paintNote('good', 'No faults.') : terminal.paintNote('bad', `${count} checks failed.`),
    )
  return count === 0 ? EXIT.done : EXIT.failedCheck
}

type Add = (...findings: readonly Finding[]) => void

async function examineBridge(target: Target, flags: DoctorFlags, context: CommandContext, add: Add): Promise<void> {
  const [{ findBridge }, { checkOrigin, checkWays }, credentials] = await Promise.all([
    import('./doctor/reach.ts'),
    import('./doctor/ways.ts'),
    import('./doctor/credentials.ts'),
  ])
  const { findings, base } = await findBridge(new URL(target.url), Date.now)
  add(...findings)
  if (!base) return
  const ways = await checkWays(base)
  add(...ways.findings, await checkOrigin(base, flags.origin))
  const token = typeof target.token === 'function' ? await target.token() : target.token
  const { findings: said, read } = credentials.checkTokenText(token, Date.now())
  add(...said)
  if (said.some(({ verdict }) => verdict === 'fail')) return
  if (read) add(...credentials.checkPermissions(read.permissions, needsOf(flags)))
  // Without a way in, or without NATS, the other checks would fail for the same reason.
  if (!ways.hasWebSocket && !ways.hasEventStream) return
  if (findings.some(({ check, verdict }) => check === 'NATS' && verdict === 'fail')) return
  const transport = webSocket({
    url: base,
    name: 'spanwire doctor',
    via: ways.hasWebSocket ? 'websocket' : 'sse',
    ...(token !== undefined && { token }),
  })
  await examineInside(transport, { target, token, flags, context, add })
}

async function examineNats(target: Target, flags: DoctorFlags, context: CommandContext, add: Add): Promise<void> {
  const token = typeof target.token === 'function' ? await target.token() : target.token
  const transport = nats({
    url: target.url,
    name: 'spanwire doctor',
    ...(token !== undefined && { token }),
    ...(target.creds !== undefined && { creds: target.creds }),
  })
  await examineInside(transport, { target, token, flags, context, add })
}

interface Inside {
  readonly target: Target
  readonly token: string | undefined
  readonly flags: DoctorFlags
  readonly context: CommandContext
  readonly add: Add
}

/** Checks that need a connection. */
async function examineInside(transport: Transport, { target, token, flags, context, add }: Inside): Promise<void> {
  const [{ checkConnection }, { checkStreams }] = await Promise.all([
    import('./doctor/credentials.ts'),
    import('./doctor/streams.ts'),
  ])
  try {
    const connection = await checkConnection(transport, target.url, {
      token,
      secret: context.env.AUTH_SECRET || undefined,
    })
    add(connection)
    if (connection.verdict === 'ok') add(...(await checkStreams(transport, await streamCheck(flags))))
  } finally {
    await transport.close()
  }
}

async function streamCheck(flags: DoctorFlags) {
  const { config } = await loadConfig()
  const place = flags.contract ?? config.contract
  if (place === undefined) return undefined
  const [{ loadContract }, { describeContract }] = await Promise.all([
    import('./contract/load-contract.ts'),
    import('./contract/event-description.ts'),
  ])
  const contract = await loadContract(place)
  return { contract, events: describeContract(contract), options: config.streams ?? {} }
}

function needsOf({ publish = [], subscribe = [] }: DoctorFlags) {
  const toNeed = (name: string) => [name, toFilter(name, {})] as const
  return { publish: publish.map(toNeed), subscribe: subscribe.map(toNeed) }
}

const MARKS: Readonly<Record<Finding['verdict'], readonly [mark: string, tone: Tone]>> = {
  ok: ['ok', 'good'],
  warn: ['warn', 'warn'],
  fail: ['FAIL', 'bad'],
  skip: ['-', 'dim'],
}

function describe({ check, verdict, fact, advice }: Finding, paint: CommandContext['terminal']['paint']): string[] {
  const [mark, tone] = MARKS[verdict]
  const line = `${paint(tone, mark.padEnd(6))}${check.padEnd(14)}${fact}`
  return advice === undefined ? [line] : [line, `${' '.repeat(20)}${paint('dim', advice)}`]
}
