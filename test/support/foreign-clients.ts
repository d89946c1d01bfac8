import { execFile } from 'node:child_process'
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cacheFolder } from '../../demo/setup/cache.ts'
import { type FoundProgram, findProgram, installProgram, type ProgramPlaces } from './programs.ts'

const run = promisify(execFile)
const sources = fileURLToPath(new URL('../conformance/clients', import.meta.url))
const folder = join(cacheFolder, 'clients')

const go: ProgramPlaces = { variable: 'GO', names: ['go'], apps: ['/usr/local/go/bin/go'], versionArgs: ['version'] }
const python: ProgramPlaces = { variable: 'PYTHON', names: ['python3'], apps: [], versionArgs: ['--version'] }

export const goHint = 'Install Go 1.19 or later (Debian: apt-get install golang-go) or set GO to its path.'
export const pythonHint = 'Install Python 3 with pip (Debian: apt-get install python3-pip) or set PYTHON to its path.'

/** Versions of nats.py and of what it needs for WebSocket. */
const REQUIREMENTS = ['nats-py==2.15.0', 'aiohttp==3.13.2']

/** Finds Go, or installs it by apt-get as root. */
export async function findGo(): Promise<FoundProgram | undefined> {
  return (await findProgram(go)) ?? installProgram('golang-go', go)
}

/** Finds Python with pip, or installs both by apt-get as root. */
export async function findPython(): Promise<FoundProgram | undefined> {
  const found = await findProgram(python)
  if (found && (await hasPip(found))) return found
  return installProgram('python3-pip', python)
}

/** A program that runs the feature table, and prints a line of JSON for each feature. */
export interface ForeignClient {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** Builds the client of nats.go, with modules from the Go module proxy. */
export async function buildGoClient(): Promise<ForeignClient> {
  const found = await findProgram(go)
  if (!found) throw new Error(goHint)
  await mkdir(folder, { recursive: true })
  const built = join(folder, `go-${process.pid}`)
  const program = join(folder, 'go')
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod -buildvcs=false' }
  await run(found.path, ['build', '-o', built, '.'], { cwd: join(sources, 'go'), env })
  await rename(built, program)
  const [, version] = /nats\.go (v[\d.]+)/.exec(await readFile(join(sources, 'go/go.mod'), 'utf8')) ?? []
  return { name: `nats.go ${version}`, command: program, args: [], env: {} }
}

/** Installs nats.py into the cache, from PyPI. */
export async function installPythonClient(): Promise<ForeignClient> {
  const found = await findProgram(python)
  if (!found) throw new Error(pythonHint)
  const packages = join(folder, 'python')
  const done = join(packages, 'requirements')
  const wanted = `${found.version} ${REQUIREMENTS.join(' ')}`
  if ((await readFile(done, 'utf8').catch(() => '')) !== wanted) {
    await rm(packages, { recursive: true, force: true })
    await mkdir(packages, { recursive: true })
    await run(found.path, ['-m', 'pip', 'install', '--quiet', '--target', packages, ...REQUIREMENTS])
    await writeFile(done, wanted)
  }
  const script = join(sources, 'python/client.py')
  await access(script)
  return { name: 'nats.py 2.15.0', command: found.path, args: [script], env: { PYTHONPATH: packages } }
}

async function hasPip({ path }: FoundProgram): Promise<boolean> {
  return run(path, ['-m', 'pip', '--version']).then(
    () => true,
    () => false,
  )
}
