import { execFile } from 'node:child_process'
import { delimiter, join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A program that runs on this machine. */
export interface FoundProgram {
  readonly path: string
  /** Such as `131.0.6778.85`. */
  readonly version: string
}

/** Where a browser may be, and how it is asked for its version. */
export interface ProgramPlaces {
  /** The environment variable that may name it; then it is looked for nowhere else. */
  readonly variable: string
  /** On PATH. */
  readonly names: readonly string[]
  /** Applications of macOS. */
  readonly apps: readonly string[]
  readonly versionArgs: readonly string[]
}

/** Looks at the variable, PATH and the applications of macOS. */
export async function findProgram(places: ProgramPlaces): Promise<FoundProgram | undefined> {
  const { variable, names, apps, versionArgs } = places
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  const inPath = names.flatMap((name) => folders.map((folder) => join(folder, name)))
  const named = process.env[variable]
  for (const path of named ? [named] : [...inPath, ...apps]) {
    const version = await versionOf(path, versionArgs)
    if (version) return { path, version }
  }
  return undefined
}

/** Installs a Debian package, as root and unless `variable` says which to use, and looks again. Set-up only, never a test. */
export async function installProgram(name: string, places: ProgramPlaces): Promise<FoundProgram | undefined> {
  if (process.getuid?.() !== 0 || process.env[places.variable]) return undefined
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, maxBuffer: 64 * 1024 * 1024 }
  try {
    await run('apt-get', ['update', '-qq'], options)
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', name], options)
  } catch {
    return undefined
  }
  return findProgram(places)
}

/** Undefined if there is nothing at `path` that runs. */
async function versionOf(path: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout } = await run(path, args)
    return /(\d+(?:\.\d+){1,3})/.exec(stdout)?.[1]
  } catch {
    return undefined
  }
}
