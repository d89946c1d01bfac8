/** Bundles the playground into one script, one stylesheet and one page: part of `npm run build`. */
import { cp, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const page = fileURLToPath(new URL('.', import.meta.url))

/** @param folder target of the files. Default: the folder that `spanwire dev` reads when it runs from its sources */
export async function buildPage(folder: string = join(page, 'dist')): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  await build({
    entryPoints: [join(page, 'main.ts'), join(page, 'style.css')],
    outdir: folder,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning',
  })
  await cp(join(page, 'index.html'), join(folder, 'index.html'))
}

if (import.meta.main) await buildPage(process.argv[2])
