import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { cp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { inject } from 'vitest'
import { root } from '../build/source-files.ts'

const run = promisify(execFile)

const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  devDependencies: Record<string, string>
}
const exact = (name: string) => `${name}@${devDependencies[name]}`

/** Optional peer that `spanwire/testing` needs for a fake clock. */
export const FAKE_CLOCK: string = exact('@sinonjs/fake-timers')

/** The package, packed by its scripts. */
export interface Package {
  /** Path of the tarball. */
  readonly tarball: string
  /** Paths inside the package, sorted. */
  readonly files: readonly string[]
  /** Size when it is unpacked, in bytes. */
  readonly size: number
}

/**
 * Clones the repository as it is, uncommitted changes included, and runs `npm pack` there as a release does. Test files of
 * one run share the result: it takes several seconds, and the files run one by one.
 */
export async function packPackage(): Promise<Package> {
  const folder = inject('packageFolder')
  const result = join(folder, 'package.json')
  if (!existsSync(result)) await writeFile(result, JSON.stringify(await pack(folder)))
  return JSON.parse(await readFile(result, 'utf8')) as Package
}

async function pack(folder: string): Promise<Package> {
  const clone = join(folder, 'clone')
  await run('git', ['clone', '--quiet', root, clone])
  await copyChanges(clone)
  // Instead of `npm install`, which takes a minute.
  await symlink(join(root, 'node_modules'), join(clone, 'node_modules'))
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: clone })
  await rm(clone, { recursive: true })
  const [packed] = JSON.parse(stdout) as { filename: string; unpackedSize: number; files: { path: string }[] }[]
  if (!packed) throw new Error(`npm pack printed no package: ${stdout}`)
  return {
    tarball: join(folder, packed.filename),
    files: packed.files.map(({ path }) => path).sort(),
    size: packed.unpackedSize,
  }
}

/** Copies uncommitted changes, so that a test during development packs the sources that it was started with. */
async function copyChanges(clone: string): Promise<void> {
  const list = async (...args: string[]) => {
    const { stdout } = await run('git', args, { cwd: root })
    return stdout.split('\0').filter((path) => path !== '')
  }
  const changed = await list('diff', '--name-only', '-z', 'HEAD')
  const added = await list('ls-files', '-z', '--others', '--exclude-standard')
  for (const path of [...changed, ...added]) {
    if (existsSync(join(root, path))) await cp(join(root, path), join(clone, path))
    else await rm(join(clone, path), { force: true })
  }
}
