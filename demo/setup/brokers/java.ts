import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { cacheFolder } from '../cache.ts'
import { isFolder } from './debian-packages.ts'

const run = promisify(execFile)

/** Kafka 4 needs 17. */
const OLDEST_JAVA = 17

/** Finds `java`, version 17 or later. As root it is installed with apt-get where it is missing. */
export function findJava(): Promise<string | undefined> {
  return findOrInstall('openjdk-17-jre-headless', async () => {
    const { stderr } = await run('java', ['-version'])
    return Number(/version "(\d+)/.exec(stderr)?.[1]) >= OLDEST_JAVA ? 'java' : undefined
  })
}

/** Jars of a broker. */
export interface Jars {
  readonly name: string
  readonly version: string
  /** `group:artifact`. */
  readonly artifacts: readonly string[]
}

/**
 * Fetches jars from Maven Central, with all that they need at run time, into the cache folder. Maven is installed with
 * apt-get where it is missing. Returns the folder of the jars; undefined if they are unavailable.
 */
export async function fetchJars({ name, version, artifacts }: Jars): Promise<string | undefined> {
  const folder = join(cacheFolder, 'brokers', `${name}-${version}`)
  if (await isFolder(folder)) return folder
  const maven = await findOrInstall('maven', async () => {
    await run('mvn', ['--version'])
    return 'mvn'
  })
  if (!maven) return undefined
  await mkdir(join(cacheFolder, 'brokers'), { recursive: true })
  const work = await mkdtemp(join(cacheFolder, 'brokers', 'fetch-'))
  try {
    await writeFile(join(work, 'pom.xml'), toPom(artifacts, version))
    const jars = join(work, 'jars')
    const copy = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies'
    await run(maven, ['-q', '-B', copy, `-DoutputDirectory=${jars}`, '-DincludeScope=runtime'], { cwd: work })
    if ((await readdir(jars)).length === 0) return undefined
    await rename(jars, folder).catch(async (error) => {
      if (!(await isFolder(folder))) throw error
    })
    return folder
  } catch {
    return undefined
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

function toPom(artifacts: readonly string[], version: string): string {
  const dependencies = artifacts.map((artifact) => {
    const [group, id] = artifact.split(':')
    return `<dependency><groupId>${group}</groupId><artifactId>${id}</artifactId><version>${version}</version></dependency>`
  })
  return `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>brokers</groupId><artifactId>jars</artifactId><version>1</version>
<dependencies>${dependencies.join('')}</dependencies></project>`
}

async function findOrInstall(name: string, find: () => Promise<string | undefined>): Promise<string | undefined> {
  const found = await find().catch(() => undefined)
  if (found || process.getuid?.() !== 0) return found
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, maxBuffer: 64 * 1024 * 1024 }
  try {
    await run('apt-get', ['update', '-qq'], options)
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', name], options)
  } catch {
    return undefined
  }
  return find().catch(() => undefined)
}
