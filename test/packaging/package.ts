import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../build/source-files.ts'

const run = promisify(execFile)

/** Builds and packs the package as `npm publish` would, into a folder of its own. Returns the tarball's path. */
export async function packPackage(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'spanwire-package-'))
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  await run(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', join(folder, 'dist')])
  await mkdir(join(folder, 'bridge'))
  for (const file of ['package.json', 'README.md', 'bridge/PROTOCOL.md']) await cp(join(root, file), join(folder, file))
  await run('npm', ['pack', '--silent'], { cwd: folder })
  const [tarball = ''] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'))
  return join(folder, tarball)
}
