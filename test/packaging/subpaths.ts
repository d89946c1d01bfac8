import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build, type Metafile } from 'esbuild'

/** One entry of the package, bundled from where it is installed. */
export interface Subpath {
  /** Import path, such as `spanwire/react`. */
  readonly name: string
  /** Minified and gzipped sizes in bytes: of the first part, and including the parts that are loaded on use. */
  readonly first: number
  readonly all: number
  /** Packages and modules of Node that its first part imports. */
  readonly needs: readonly string[]
}

/** Measures every entry in `exports`. */
export async function measureSubpaths(project: string): Promise<Subpath[]> {
  const folder = join(project, 'node_modules/spanwire')
  const { exports } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { exports: object }
  return Promise.all(Object.keys(exports).map((entry) => measure(project, `spanwire${entry.slice(1)}`)))
}

async function measure(project: string, name: string): Promise<Subpath> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: `export * from ${JSON.stringify(name)}`, resolveDir: project },
    bundle: true,
    splitting: true,
    minify: true,
    metafile: true,
    format: 'esm',
    target: 'es2022',
    outdir: join(project, 'out'),
    write: false,
    // Other packages are listed, and their size is not counted.
    plugins: [
      {
        name: 'others',
        setup: ({ onResolve }) =>
          void onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
            kind === 'entry-point' || /^spanwire(\/|$)/.test(path) ? undefined : { path, external: true },
          ),
      },
    ],
  })
  const size = (bytes: Uint8Array) => gzipSync(bytes, { level: 9 }).length
  const first = new Set(statically(metafile))
  // Paths of outputs are relative to the working directory.
  const isFirst = (path: string) => [...first].some((output) => resolve(output) === path)
  const total = (files: typeof outputFiles) => files.reduce((sum, { contents }) => sum + size(contents), 0)
  const needs = [...first].flatMap((output) =>
    (metafile.outputs[output]?.imports ?? [])
      .filter(({ external, kind }) => external && kind !== 'dynamic-import')
      .map(({ path }) => path),
  )
  return {
    name,
    first: total(outputFiles.filter(({ path }) => isFirst(path))),
    all: total(outputFiles),
    needs: [...new Set(needs)].sort(),
  }
}

/** Returns the outputs that the entry imports statically. */
function statically({ outputs }: Metafile): string[] {
  const found: string[] = []
  const visit = (path: string) => {
    if (found.includes(path) || !outputs[path]) return
    found.push(path)
    for (const { path: next, kind, external } of outputs[path].imports)
      if (!external && kind === 'import-statement') visit(next)
  }
  visit(Object.keys(outputs).find((path) => outputs[path]?.entryPoint === '<stdin>') ?? '')
  return found
}
