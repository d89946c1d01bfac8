import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readAptSource } from '../apt-source.ts'
import { cacheFolder } from '../cache.ts'

const run = promisify(execFile)

/**
 * Unpacks a Debian package, and each package that it depends on and this system lacks, into the cache folder. Installs
 * nothing. Returns the folder, which has the layout of `/`; undefined where apt is unavailable.
 */
export async function unpackWithDependencies(name: string): Promise<string | undefined> {
  const root = join(cacheFolder, 'brokers', name)
  if (await isFolder(root)) return root
  const source = await readAptSource()
  if (!source) return undefined
  await mkdir(join(cacheFolder, 'brokers'), { recursive: true })
  const work = await mkdtemp(join(cacheFolder, 'brokers', 'fetch-'))
  try {
    const options = [...(await source.optionsFor(source.suite, work)), '-o', 'Debug::NoLocking=1']
    await run('apt-get', [...options, 'update'], { cwd: work })
    const install = ['install', '-y', '--download-only', '--no-install-recommends', name]
    await run('apt-get', [...options, ...install], { cwd: work })
    const archives = join(work, 'cache/archives')
    for (const file of await readdir(archives))
      if (file.endsWith('.deb')) await run('dpkg', ['-x', join(archives, file), join(work, 'root')])
    // In one step: another process may do the same.
    await rename(join(work, 'root'), root).catch(async (error) => {
      if (!(await isFolder(root))) throw error
    })
    return root
  } catch {
    return undefined
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Whether `path` is a folder. */
export async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false
}
