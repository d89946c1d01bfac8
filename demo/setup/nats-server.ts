import { execFile } from 'node:child_process'
import { access, constants, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { unpackPackage } from './apt-package.ts'
import { type AptSource, readAptSource } from './apt-source.ts'
import { cacheFolder } from './cache.ts'

const run = promisify(execFile)

/** A nats-server program for this machine. */
export interface FoundNatsServer {
  readonly path: string
  /** Such as `2.15.1`. */
  readonly version: string
  readonly source: 'NATS_SERVER' | 'PATH' | 'cache' | 'fetched'
}

/** Version to look for: the newest one available, or the one in the distribution's release. */
export type Edition = 'newest' | 'distribution'

/** Instructions for machines without nats-server. */
export const installHint =
  'Install nats-server 2.9 or later (Debian: apt-get install nats-server; macOS: brew install nats-server; ' +
  'others: https://docs.nats.io/running-a-nats-service/introduction/installation) or set NATS_SERVER to its path.'

/**
 * Looks for nats-server in `NATS_SERVER`, PATH and the cache folder. Otherwise it downloads nats-server into the cache
 * with apt and leaves the system unchanged. Returns undefined if nats-server is unavailable.
 * @throws Error if `NATS_SERVER` is not the path of a nats-server that runs
 */
export async function findNatsServer(edition: Edition = 'newest'): Promise<FoundNatsServer | undefined> {
  const cached = join(cacheFolder, 'nats-server', edition, 'nats-server')
  if (edition === 'newest') {
    const named = process.env.NATS_SERVER
    if (named) {
      const version = await versionOf(named)
      if (!version) throw new Error(`NATS_SERVER=${named} is not a nats-server that runs. ${installHint}`)
      return { path: named, version, source: 'NATS_SERVER' }
    }
    for (const folder of (process.env.PATH ?? '').split(delimiter)) {
      const path = join(folder, 'nats-server')
      const version = folder && (await versionOf(path))
      if (version) return { path, version, source: 'PATH' }
    }
  }
  const version = await versionOf(cached)
  if (version) return { path: cached, version, source: 'cache' }
  const fetched = await fetchInto(cached, edition)
  return fetched ? { path: cached, version: fetched, source: 'fetched' } : undefined
}

/** Returns the version, or undefined if `path` is not a nats-server that runs here. */
async function versionOf(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.X_OK)
    const { stdout } = await run(path, ['--version'])
    return /nats-server:? v?(\d+\.\d+\.\d+)/.exec(stdout)?.[1]
  } catch {
    return undefined
  }
}

/** Downloads and unpacks the package, and moves it into place atomically: another process may do the same. */
async function fetchInto(path: string, edition: Edition): Promise<string | undefined> {
  const source = await readAptSource()
  if (!source) return undefined
  // A package of the newest suite may not run on this release. The distribution's version is next.
  const suites = edition === 'newest' ? [source.newestSuite, source.suite] : [source.suite]
  for (const suite of suites) {
    await mkdir(cacheFolder, { recursive: true })
    const work = await mkdtemp(join(cacheFolder, 'fetch-'))
    try {
      const unpacked = await download(source, suite, work)
      const version = await versionOf(unpacked)
      if (!version) continue
      await mkdir(join(path, '..'), { recursive: true })
      await rename(unpacked, path)
      return version
    } catch {
      // The next suite may have the package.
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  }
  return undefined
}

async function download(source: AptSource, suite: string, work: string): Promise<string> {
  const unpacked = await unpackPackage(source, suite, 'nats-server', work)
  for (const folder of ['usr/sbin', 'usr/bin']) {
    const path = join(unpacked, folder, 'nats-server')
    if (await versionOf(path)) return path
  }
  throw new Error('The downloaded package has no nats-server that runs here.')
}
