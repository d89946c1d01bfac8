/** The tarball of a clone: its files, the packages of an installation, and the errors for missing packages. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Package, packPackage } from './package.ts'
import { createProject, type Project } from './project.ts'

/** Packages of an installation of `spanwire` alone, including itself. */
const PACKAGES = ['@bomb.sh', '@hono', 'commander', 'hono', 'jose', 'spanwire', 'ws']
/** Largest size of their files together, in MB. Documents and examples of deployment are 0.25 of it. */
const SIZE = 5.2

interface Manifest {
  readonly exports: Record<string, Record<string, string>>
  readonly dependencies: Record<string, string>
  readonly peerDependencies: Record<string, string>
  readonly peerDependenciesMeta: Record<string, { optional: boolean }>
  readonly devDependencies: Record<string, string>
}

let packed: Package
let project: Project
let manifest: Manifest

beforeAll(async () => {
  packed = await packPackage()
  project = await createProject(undefined, [packed.tarball])
  const path = join(project.folder, 'node_modules/spanwire/package.json')
  manifest = JSON.parse(await readFile(path, 'utf8')) as Manifest
}, 120_000)
afterAll(async () => {
  await project?.[Symbol.asyncDispose]()
})

describe('the tarball', () => {
  it('holds a file for every target of exports', () => {
    const targets = Object.values(manifest.exports).flatMap((conditions) => Object.values(conditions))
    expect(targets.length).toBeGreaterThan(30)
    expect(packed.files).toEqual(expect.arrayContaining(targets.map((target) => target.slice(2))))
  })

  it('holds the documents that a user needs, and no sources or tests', () => {
    const others = packed.files.filter((path) => !path.startsWith('dist/'))
    expect(others.filter((path) => !/^(bridge\/ops|sdk\/migrate)\//.test(path))).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'bridge/PROTOCOL.md',
      'bridge/README.md',
      'bridge/cli/README.md',
      'bridge/relay/README.md',
      'package.json',
      'sdk/COMPARISON.md',
      'sdk/ERRORS.md',
      'sdk/README.md',
      'worker/.dev.vars.example',
      'worker/README.md',
    ])
    for (const path of ['bridge/ops/Dockerfile', 'bridge/ops/grafana/dashboard.json', 'sdk/migrate/README.md'])
      expect(others).toContain(path)
    const pages = ['cli/page/dist/index.html', 'cli/page/dist/style.css', 'inspector/dist/inspector.html']
    const page = pages.map((name) => `dist/bridge/${name}`)
    expect(packed.files.filter((path) => !/\.(js|d\.ts)$/.test(path) && path.startsWith('dist/'))).toEqual(page)
    expect(packed.files.filter((path) => /^dist\/(test|demo)\//.test(path))).toEqual([])
  })
})

describe('an installation of spanwire alone', () => {
  it('brings few packages', async () => {
    const modules = join(project.folder, 'node_modules')
    const names = (await readdir(modules)).filter((name) => !name.startsWith('.')).sort()
    const size = (await sizeOf(modules)) / 1e6
    console.log(`${names.length} packages, ${size.toFixed(1)} MB`)
    expect(names).toEqual(PACKAGES)
    expect(size).toBeLessThan(SIZE)
  })

  it('loads every entry that needs no other package or runtime', async () => {
    const others = ['./react', './opentelemetry', './worker', './shared-worker']
    const entries = Object.keys(manifest.exports).filter((entry) => !others.includes(entry))
    const code = `
      const entries = ${JSON.stringify(entries.map((entry) => `spanwire${entry.slice(1)}`))}
      for (const entry of entries) console.log(entry, Object.keys(await import(entry)).length > 0 || entry)
      process.exit()`
    const output = await project.run(process.execPath, '--input-type=module', '--eval', code)
    expect(output.trim().split('\n')).toHaveLength(entries.length)
  })

  it.each([
    [
      'auth.accounts',
      "(await import('spanwire/bridge/bun')).serve({ ...options, auth: { accounts: [account] } })",
      '@nats-io/jwt @nats-io/nkeys',
    ],
    ['a fake clock', "(await import('spanwire/testing')).createTestBridge({ clock: 'fake' })", '@sinonjs/fake-timers'],
    ['nats://', "reason((await import('spanwire/nats')).nats({ url: 'nats://127.0.0.1:9' }))", 'nats'],
  ])('names the packages that %s needs', async (_, expression, packages) => {
    const code = `
      const account = 'ABIJ6COR6N2IH7G2OF2RXTGNFWN5FRDS4NFE6T2B6DWDLQNOM7UMUQN3'
      const options = { upstream: 'embedded', auth: { secret: 'a secret of at least thirty-two bytes' } }
      const reason = (transport) => new Promise((_, reject) => transport.onStatus(({ reason }) => reason && reject(reason)))
      const error = await (async () => ${expression})().then(() => 'no error', (error) => error)
      console.log(error.code, error.message)
      process.exit()`
    const output = await project.run(process.execPath, '--input-type=module', '--eval', code)
    expect(output).toMatch(/^unsupported /)
    expect(output).toContain(`run "npm install ${packages}"`)
  })
})

describe('package.json', () => {
  it('takes patches of runtime dependencies, and pins development tools', () => {
    const { dependencies, peerDependencies, devDependencies } = manifest
    for (const range of Object.values({ ...dependencies, ...peerDependencies })) expect(range).toMatch(/^(\^|>=)\d/)
    for (const version of Object.values(devDependencies)) expect(version).toMatch(/^\d/)
  })

  it('marks every peer dependency as optional', () => {
    const optional = Object.keys(manifest.peerDependenciesMeta)
    expect(Object.keys(manifest.peerDependencies)).toEqual(optional)
  })
})

async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const sizes = await Promise.all(files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}
