/** Commands without a connection: help, errors, tokens, contracts, completion; and the runtimes that the program works on. */
import { execFile } from 'node:child_process'
import { access, chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { defineEvents, event, type StandardSchema } from '../../sdk/index.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { nats as natsTransport } from '../../sdk/transport/nats/index.ts'
import { root } from '../build/source-files.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { isSkipped } from '../support/runtimes.ts'
import { createToken, SECRET } from '../support/token.ts'
import { runCli, startCli } from './cli-process.ts'

// Each command is a process, and the machine may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const run = promisify(execFile)
const CONTRACT = 'test/cli/projects/events.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spanwire-usage-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('spanwire', () => {
  it('has help for each command, and one line for unknown commands and flags', async () => {
    const { stdout } = await runCli(['--help'])
    for (const name of [
      'dev',
      'bridge',
      'tail',
      'pub',
      'request',
      'token',
      'streams',
      'consumers',
      'dead',
      'quarantine',
      'contract',
      'doctor',
      'completion',
    ])
      expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'))
    const results = await Promise.all([
      runCli(['tial']),
      runCli(['tail']),
      runCli(['tail', 'a', '--grap', 'x']),
      runCli(['contract', 'check', 'a', 'b', '--for', 'me']),
      runCli(['token', 'sign']),
    ])
    expect(results.map(({ code, stderr }) => [code, stderr.trim()])).toEqual([
      [2, "spanwire: Unknown command 'tial'. Did you mean tail?"],
      [2, "spanwire: Missing required argument 'subject|event'. See --help."],
      [2, "spanwire: Unknown option '--grap'. Did you mean --grep?"],
      [
        2,
        "spanwire: Option '--for <side>' argument 'me' is invalid. Allowed choices are all, publishers, subscribers. See --help.",
      ],
      [2, "spanwire: Required option '--user <name>' not specified. See --help."],
    ])
    expect((await runCli(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it('writes colours for a terminal only, or with FORCE_COLOR', async () => {
    const token = await createToken({})
    const decode = (env: Record<string, string | undefined>) =>
      runCli(['token', 'decode', token], { env: { NO_COLOR: undefined, ...env } })
    expect((await decode({})).stdout).not.toContain('\u001b')
    expect((await decode({ FORCE_COLOR: '1' })).stdout).toContain('\u001b')
    expect((await decode({ FORCE_COLOR: '1', NO_COLOR: '1' })).stdout).not.toContain('\u001b')
  })

  it('lists each command, and each exit code, in its README', async () => {
    const readme = await readFile(join(root, 'bridge/cli/README.md'), 'utf8')
    const { stdout } = await runCli(['--help'])
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name).filter((name) => name !== 'help')
    expect(commands.filter((name) => !readme.includes(`\`${name}`))).toEqual([])
    const { EXIT } = await import('../../bridge/cli/terminal/exit-code.ts')
    expect(Object.values(EXIT).filter((code) => !new RegExp(`^\\| ${code} +\\|`, 'm').test(readme))).toEqual([])
    expect(readme.split('\n').length).toBeLessThanOrEqual(60)
  })

  it('has a configuration in its README that works as it stands', async () => {
    const readme = await readFile(join(root, 'bridge/cli/README.md'), 'utf8')
    const [, block = ''] = /```ts\n\/\/ spanwire\.config\.ts\n([^`]+)```/.exec(readme) ?? []
    const config = block
      .replace("'spanwire/cli'", JSON.stringify(join(root, 'bridge/cli/config.ts')))
      .replace('nats://127.0.0.1:4222', 'embedded')
    await writeFile(join(folder, 'readme.config.ts'), config)
    const args = ['bridge', '--config', 'readme.config.ts', '--port', '0', '--json']
    await using bridge = startCli(args, { cwd: folder, env: { AUTH_SECRET: SECRET } })
    const { url } = await bridge.json<{ url: string }>()
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
  })
})

describe('spanwire relay', () => {
  it('runs the relays of a module, and drains on SIGTERM', async () => {
    await using nats = await startNatsServer({ jetstream: true })
    const file = join(folder, 'relays.ts')
    const path = (name: string) => JSON.stringify(join(root, name))
    // This source without messages replaces a foreign broker: test/relays uses real brokers.
    await writeFile(
      file,
      `import { defineEvents, event } from ${path('sdk/index.ts')}
       import { into } from ${path('bridge/relay/index.ts')}
       const any = { '~standard': { version: 1 as const, vendor: 'test', validate: (value: unknown) => ({ value }) } }
       export const events = defineEvents({ 'from.{key}': event(any, { stream: 'CLI_RELAY' }) })
       const source = { exclusive: true, epoch: 'e', settle: async () => {}, pause() {}, resume() {}, lag: async () => 0, close: async () => {} }
       const from = { place: 'test:queue', identity: 'test', shared: false,
         described: { protocol: 'test', host: 'h', address: 'a' }, openSource: async () => source }
       export const relays = { queue: into(events, 'from.{key}', { from, params: () => ({ key: 'x' }) }) }`,
    )
    const transport = natsTransport({ url: nats.url })
    const any: StandardSchema = { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } }
    await ensureStreams(defineEvents({ 'from.{key}': event(any, { stream: 'CLI_RELAY' }) }), transport)
    await transport.close()
    await using relay = startCli(['relay', file, '--upstream', nats.url, '--port', '0', '--json'])
    const { url } = await relay.json<{ url: string }>()
    await eventually(async () => (await fetch(`${url}/healthz`)).ok, { what: 'a healthy relay' })
    expect(await relay.stop()).toBe(0)
  })

  it('explains a module that is not a file of relays', async () => {
    const { code, stderr } = await runCli(['relay', CONTRACT])
    expect([code, stderr]).toEqual([2, expect.stringContaining('must export "events" (a contract) and "relays"')])
  })
})

describe('spanwire token', () => {
  const env = { AUTH_SECRET: SECRET }

  it('signs a token, and shows its permissions and its end', async () => {
    const args = [
      'token',
      'sign',
      '--user',
      'ada',
      '--publish',
      'chat.{room}.message',
      '--subscribe',
      'chat.>,orders.{{org}}.>',
      '--deny-subscribe',
      'chat.secret.>',
    ]
    const signed = await runCli([...args, '--claims', '{"org":"acme"}', '--expires', '3600', '--contract', CONTRACT], {
      env,
    })
    expect(signed.stderr).toMatch(/Ends in 1 h, at /)
    const { stdout, code } = await runCli(['token', 'decode', '-'], { env, input: signed.stdout })
    expect(stdout).toMatch(/^user +ada$/m)
    expect(stdout).toMatch(/^ends +\S+, in 59 min \d+ s$/m)
    expect(stdout).toMatch(/^signature +valid$/m)
    expect(stdout).toMatch(/^publish +chat\.\*\.message$/m)
    expect(stdout).toMatch(/^subscribe +chat\.>, orders\.acme\.>; but not chat\.secret\.>$/m)
    expect(code).toBe(0)
  })

  it('ends with 1 for a token that is expired, or signed with another secret', async () => {
    const expired = await runCli(['token', 'decode', await createToken({ expiresIn: -60 })], { env })
    expect(expired.stdout).toMatch(/^ends +\S+, expired 1 min/m)
    const other = await runCli(['token', 'decode', await createToken({}), '--json'], {
      env: { AUTH_SECRET: 'x'.repeat(32) },
    })
    expect(JSON.parse(other.stdout)).toMatchObject({ signature: 'wrong', isExpired: false, user: 'tester' })
    expect([expired.code, other.code]).toEqual([1, 1])
  })

  it.each([
    [['sign', '--user', 'a'], {}, /No key to sign with: set AUTH_SECRET/],
    [['sign', '--user', 'a'], { AUTH_SECRET: 'short' }, /secret has 5 bytes\. HS256 needs at least 32/],
    [['sign', '--user', 'a', '--publish', 'a b.c.'], env, /"b\.c\." is not a subject filter/],
    [
      ['sign', '--user', 'a', '--publish', 'no.{such}', '--contract', CONTRACT],
      env,
      /The contract has no event "no\.\{such\}"/,
    ],
    [['sign', '--user', 'a', '--claims', '[]'], env, /--claims is "\[\]": it must be a JSON object/],
    [['sign', '--user', 'a', '--private-key-file', 'x'], {}, /--private-key-file needs --algorithm/],
    [['decode', 'nonsense'], {}, /That is not a JWT/],
    [['decode'], {}, /No token: give it as an argument/],
  ])('explains %j', async (args, given, message) => {
    const { code, stderr } = await runCli(['token', ...args], { env: given })
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)])
  })
})

describe('spanwire contract', () => {
  const write = async (name: string, events: string) => {
    await writeFile(
      join(root, 'test/cli/projects', name),
      `import { z } from 'zod'\nimport { defineEvents, event } from '../../../sdk/index.ts'\nexport const events = defineEvents({ ${events} })\n`,
    )
    return `test/cli/projects/${name}`
  }
  const NAMES = ['old.generated.ts', 'new.generated.ts']
  afterAll(() => Promise.all(NAMES.map((name) => rm(join(root, 'test/cli/projects', name), { force: true }))))

  it('writes AsyncAPI, and a page of HTML without scripts that escapes texts of the contract', async () => {
    const { stdout } = await runCli(['contract', 'docs', CONTRACT, '--title', 'Shop'])
    expect(JSON.parse(stdout)).toMatchObject({ asyncapi: '3.0.0', info: { title: 'Shop' } })
    const contract = await write(
      'new.generated.ts',
      `'a.{b}': z.object({ total: z.number().min(0).describe('<img src=x onerror=alert(1)>') })`,
    )
    const html = (await runCli(['contract', 'docs', contract, '--html', '--title', '<script>'])).stdout
    expect(html).toContain('&lt;img src=x onerror=alert(1)&gt;')
    expect(html).not.toMatch(/<script|<img/)
    expect(html).toContain('from 0')
  })

  it('exits with 1 if deployed programs would break, and lists the breaks by event', async () => {
    const before = await write(
      'old.generated.ts',
      `'kept.as.it.is': z.object({ a: z.string() }),
       'gets.{id}.optional': z.object({ a: z.string() }),
       'gets.required': z.object({ a: z.string() }),
       'sends.more': z.object({ kind: z.enum(['a']) }),
       'goes.away': z.object({}),
       'loses.stream': event(z.object({}), { stream: 'S' }),
       'asks.{x}': event(z.object({}), { reply: z.object({ price: z.number() }) }),`,
    )
    const after = await write(
      'new.generated.ts',
      `'kept.as.it.is': z.object({ a: z.string() }),
       'gets.{key}.optional': z.object({ a: z.string(), b: z.number().optional() }),
       'gets.required': z.object({ a: z.string(), b: z.number() }),
       'sends.more': z.object({ kind: z.enum(['a', 'b']) }),
       'loses.stream': z.object({}),
       'asks.{x}': event(z.object({}), { reply: z.object({ price: z.number().nullable() }) }),
       'is.new': z.object({}),`,
    )
    // The old one as it was written down when it was deployed.
    const kept = join(folder, 'deployed.json')
    await runCli(['contract', 'docs', before, '--out', kept])
    const json = await runCli(['contract', 'check', kept, after, '--json'])
    const changes = JSON.parse(json.stdout) as Array<{
      event: string
      verdict: string
      breaks: Array<{ affects: string; path: string }>
    }>
    expect(
      changes.map(({ event, verdict, breaks }) => [
        event,
        verdict,
        ...breaks.map(({ affects, path }) => `${affects} ${path}`),
      ]),
    ).toEqual([
      ['kept.as.it.is', 'unchanged'],
      ['gets.{key}.optional', 'changed'],
      ['gets.required', 'narrowed', 'publishers b'],
      ['sends.more', 'widened', 'subscribers kind'],
      ['loses.stream', 'changed', 'subscribers '],
      ['asks.{x}', 'widened', 'requesters reply.price'],
      ['is.new', 'added'],
      ['goes.away', 'removed', 'publishers ', 'subscribers '],
    ])
    const text = await runCli(['contract', 'check', kept, after])
    expect(text.stdout).toContain(
      'gets.required  narrowed\n  added b\n  breaks publishers: b is required, and may be missing\n',
    )
    expect(text.stdout).toContain('renamed from gets.{id}.optional: the subjects are the same')
    expect(text.stderr).toBe('Not compatible: 5 of 8 events.\n')
    expect([json.code, text.code]).toEqual([1, 1])
    const same = await runCli(['contract', 'check', before, before])
    expect([same.code, same.stderr]).toEqual([0, 'Compatible with deployed programs.\n'])
    expect((await runCli(['contract', 'check', kept, after, '--for', 'publishers', '--json'])).code).toBe(1)
  })

  it.each([
    [['check', 'no.json', CONTRACT], /no\.json can't be read as JSON \(ENOENT\)/],
    [['check', 'package.json', CONTRACT], /package\.json is not an AsyncAPI 3 document/],
    [['docs', 'package.json'], /package\.json/],
    [['docs', CONTRACT, '--out', '/no/such/folder/x'], /--out names \/no\/such\/folder\/x, which can't be written/],
  ])('explains %j', async (args, message) => {
    const { code, stderr } = await runCli(['contract', ...args])
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)])
  })
})

describe('completion', () => {
  let bin: string
  beforeAll(async () => {
    // The program that a shell finds as `spanwire`.
    bin = join(folder, 'spanwire')
    await writeFile(
      bin,
      `#!/bin/sh\nexec ${join(root, 'node_modules/.bin/node')} ${join(root, 'bridge/cli/main.ts')} "$@"\n`,
    )
    await chmod(bin, 0o755)
  })
  const env = () => ({ ...process.env, PATH: `${folder}:${process.env.PATH}` })

  it('proposes commands, options, choices and files', async () => {
    const propose = async (...words: string[]) =>
      (await runCli(['complete', '--', ...words], { cwd: root })).stdout.split('\n').map((line) => line.split('\t')[0])
    expect(await propose('to')).toContain('token')
    expect(await propose('token', '')).toEqual(expect.arrayContaining(['sign', 'decode']))
    expect(await propose('contract', 'check', 'a', 'b', '--for', '')).toEqual(
      expect.arrayContaining(['all', 'publishers']),
    )
    expect(await propose('tail', 'a', '--gr')).toContain('--grep')
    expect(await propose('dev', 'test/cli/projects/ev')).toContain('test/cli/projects/events.ts')
    expect(await propose('bridge', '--config', 'pack')).toContain('package.json')
  })

  it('works in bash', async () => {
    const script = `
      # Of the package bash-completion, which is not installed everywhere.
      _get_comp_words_by_ref() { words=("\${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=\${words[cword]}; prev=\${words[cword-1]}; }
      source <(spanwire completion bash)
      COMP_WORDS=(spanwire to); COMP_CWORD=1; COMP_LINE='spanwire to'; COMP_POINT=11
      __spanwire_complete 2>/dev/null
      printf '%s\\n' "\${COMPREPLY[@]}"`
    const { stdout } = await run('bash', ['-c', script], { env: env() })
    expect(stdout.trim().split('\n')).toEqual(['token'])
  })

  const has = (shell: string) =>
    (process.env.PATH ?? '').split(':').map((path) =>
      access(join(path, shell)).then(
        () => true,
        () => false,
      ),
    )
  it.each(['zsh', 'fish'])('is a script that %s can read', async (shell) => {
    const script = (await runCli(['completion', shell])).stdout
    expect(script).toContain('spanwire complete --')
    // Without that shell on this machine only the script is looked at.
    if (!(await Promise.all(has(shell))).includes(true)) return
    await writeFile(join(folder, shell), script)
    await run(shell, shell === 'fish' ? ['--no-execute', join(folder, shell)] : ['-n', join(folder, shell)])
  })
})

describe('the runtimes', () => {
  describe.each(['node', 'bun', 'deno'] as const)('%s', (runtime) => {
    it.skipIf(isSkipped(runtime))('runs dev with a TypeScript contract, publishes, and shows what came', async () => {
      await using dev = startCli(['dev', CONTRACT, '--port', '0', '--json'], { runtime, env: { HOME: folder } })
      const { url, token, streams } = await dev.json<{ url: string; token: string; streams: object[] }>()
      expect(streams).toMatchObject([{ stream: 'CLI_SHOP', did: 'created' }])
      const env = { SPANWIRE_URL: url, SPANWIRE_TOKEN: token }
      const args = ['pub', 'shop.{id}.paid', '{"total":12}', '--param', 'id=1', '--contract', CONTRACT, '--json']
      const published = await runCli(args, { runtime, env })
      expect(JSON.parse(published.stdout)).toMatchObject({ stream: 'CLI_SHOP', seq: 1 })
      const tail = await runCli(
        ['tail', 'shop.{id}.paid', '--from', 'all', '--count', '1', '--json', '--contract', CONTRACT],
        { runtime, env },
      )
      expect(JSON.parse(tail.stdout)).toMatchObject({ subject: 'shop.1.paid', data: { total: 12 }, seq: 1 })
      const doctor = await runCli(['doctor', url, '--contract', CONTRACT, '--json'], { runtime, env })
      expect(
        (JSON.parse(doctor.stdout) as Array<{ verdict: string }>).filter(({ verdict }) => verdict === 'fail'),
      ).toEqual([])
      expect((await fetch(`${url}/playground/state.json`)).ok).toBe(true)
      expect(await dev.stop()).toBe(0)
    })

    it.skipIf(isSkipped(runtime))('explains a bad value in one line', async () => {
      const { code, stderr } = await runCli(['bridge', '--port', 'x'], { runtime })
      expect([code, stderr.trim()]).toEqual([
        2,
        'spanwire: --port is "x": it must be a whole number from 0 to 65535. (invalid-argument)',
      ])
      const missing = await runCli(['contract', 'docs', 'missing.ts'], { runtime })
      expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining('The file missing.ts does not exist')])
    })
  })
})
