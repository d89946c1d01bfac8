/** Bundles the inspector into one HTML file: part of `npm run build`. */
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const source = fileURLToPath(new URL('.', import.meta.url))

/** @param folder target of `inspector.html`. Default: the folder that a bridge reads when it runs from its sources */
export async function buildInspector(folder: string = join(source, 'dist')): Promise<void> {
  const { outputFiles } = await build({
    entryPoints: [join(source, 'main.ts'), join(source, 'style.css')],
    outdir: folder,
    write: false,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning',
  })
  const textOf = (end: string) => outputFiles.find(({ path }) => path.endsWith(end))?.text ?? ''
  const [script, style] = [textOf('.js'), textOf('.css')]
  // Neither may end its own element.
  if (/<\/(script|style)|<!--/i.test(script + style)) throw new Error('The bundle contains the end of an element.')
  const policy = [
    "default-src 'none'",
    `script-src '${hash(script)}'`,
    `style-src '${hash(style)}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
  const page = (await readFile(join(source, 'inspector.html'), 'utf8'))
    .replace('Policy" content=""', () => `Policy" content="${policy}"`)
    .replace('<style></style>', () => `<style>${style}</style>`)
    .replace('<script type="module"></script>', () => `<script type="module">${script}</script>`)
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'inspector.html'), page)
}

function hash(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}

if (import.meta.main) await buildInspector(process.argv[2])
