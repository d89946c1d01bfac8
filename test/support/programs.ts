import { execFile } from 'node:child_process'
import { delimiter, join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A program of this machine. */
export interface FoundProgram {
  readonly path: string
  /** Such as `131.0.6778.85`. */
  readonly version: string
}

/** Possible locations of a browser, and the arguments that print its version. */
export interface ProgramPlaces {
  /** Environment variable with its path. If it is set, no other location is used. */
  readonly variable: string
  /** Names of the program in PATH. */
  readonly names: readonly string[]
  /** Paths of applications of macOS. */
  readonly apps: readonly string[]
  readonly versionArgs: readonly string[]
}

/** Looks for a program in the variable, PATH and the applications of macOS. */
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

/** Installs a Debian package and looks again, if the process runs as root and `variable` is not set. Only for setup. */
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

/** Returns undefined if `path` is not a program that runs. */
async function versionOf(path: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout } = await run(path, args)
    return /(\d+(?:\.\d+){1,3})/.exec(stdout)?.[1]
  } catch {
    return undefined
  }
}
