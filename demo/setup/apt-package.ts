import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { AptSource } from './apt-source.ts'

const run = promisify(execFile)

/** Downloads a Debian package into `work` and unpacks it without installing it. Returns the folder of its files. */
export async function unpackPackage(source: AptSource, suite: string, name: string, work: string): Promise<string> {
  const options = await source.optionsFor(suite, work)
  await run('apt-get', [...options, 'update'], { cwd: work })
  await run('apt-get', [...options, 'download', name], { cwd: work })
  await run('bash', ['-c', 'dpkg -x ./"$0"_*.deb unpacked', name], { cwd: work })
  return join(work, 'unpacked')
}
