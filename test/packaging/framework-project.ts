import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../build/source-files.ts'

const execute = promisify(execFile)

/** Time for an installation or a build, in ms. Both take up to a minute on two busy cores. */
const PATIENCE = 300_000
const env = {
  ...process.env,
  PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
  NEXT_TELEMETRY_DISABLED: '1',
  ASTRO_TELEMETRY_DISABLED: '1',
  NUXT_TELEMETRY_DISABLED: '1',
}

/** A copy of a folder of demo/frameworks, outside of this repository, with its packages and the packed package. */
export class FrameworkProject implements AsyncDisposable {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  /** @param tarball path of the packed package */
  static async create(name: string, tarball: string): Promise<FrameworkProject> {
    const source = join(root, 'demo/frameworks', name)
    const project = new FrameworkProject(await mkdtemp(join(tmpdir(), `spanwire-${name}-`)))
    await cp(source, project.folder, { recursive: true })
    const packages = join(project.folder, 'node_modules')
    // Hard links take a second. A symbolic link would lead bundlers into this repository, and its packages.
    await run('cp', ['-al', await installed(name, tarball), packages], root)
    const spanwire = join(packages, 'spanwire')
    await rm(spanwire, { recursive: true })
    await mkdir(spanwire)
    await run('tar', ['xzf', tarball, '-C', spanwire, '--strip-components=1'], root)
    return project
  }

  /** Runs the script `build` of its package.json. Rejects with the output of a build that fails. */
  async build(variables: Record<string, string>): Promise<void> {
    await run('npm', ['run', 'build'], this.folder, variables)
  }

  /** Starts the built server. */
  start(command: readonly string[], variables: Record<string, string>): ChildProcess {
    const [file = '', ...args] = command
    const program = file === 'node' ? process.execPath : join(this.folder, 'node_modules/.bin', file)
    return spawn(program, args, { cwd: this.folder, env: { ...env, ...variables }, detached: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** Returns a folder `node_modules` for a project. It is in .cache until the packages change. */
async function installed(name: string, tarball: string): Promise<string> {
  const manifests = [join(root, 'demo/frameworks', name, 'package.json'), join(root, 'package.json')]
  const texts = await Promise.all(manifests.map((file) => readFile(file, 'utf8')))
  const { dependencies, peerDependencies } = JSON.parse(texts[1] ?? '{}')
  const key = createHash('sha256')
    .update(JSON.stringify([texts[0], dependencies, peerDependencies]))
    .digest('hex')
    .slice(0, 12)
  const folder = join(root, '.cache/frameworks', `${name}-${key}`)
  if (existsSync(folder)) return join(folder, 'node_modules')
  await mkdir(dirname(folder), { recursive: true })
  // Under another name first: an installation that was interrupted must not be used.
  const unfinished = await mkdtemp(`${folder}-`)
  await cp(manifests[0] as string, join(unfinished, 'package.json'))
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts', tarball], unfinished)
  await rename(unfinished, folder)
  return join(folder, 'node_modules')
}

async function run(command: string, args: readonly string[], cwd: string, variables = {}): Promise<void> {
  try {
    await execute(command, args, { cwd, env: { ...env, ...variables }, timeout: PATIENCE, maxBuffer: 2 ** 24 })
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`${command} ${args.join(' ')} failed in ${cwd}:\n${stdout}\n${stderr}`, { cause: error })
  }
}
