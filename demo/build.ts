import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { readAirports, readFlights } from './data/recorded.ts'
import { drawMap, MAP_HEIGHT, MAP_WIDTH, placeAirport } from './data/us-map.ts'
import { buildGuide } from './guide/guide.ts'

const page = fileURLToPath(new URL('page/', import.meta.url))
const dist = fileURLToPath(new URL('dist/', import.meta.url))

/**
 * Builds the demo page into `demo/dist/`: index.html with the map and the airports, one script, one stylesheet, fonts, and
 * the guide. All files but the HTML have hashed names.
 */
export async function buildDemo(): Promise<void> {
  await rm(dist, { recursive: true, force: true })
  await mkdir(dist, { recursive: true })
  const [{ metafile }, map, airports] = await Promise.all([
    build({
      entryPoints: [`${page}main.ts`, `${page}style.css`, fileURLToPath(new URL('guide/guide.css', import.meta.url))],
      outdir: dist,
      entryNames: '[name]-[hash]',
      assetNames: '[name]-[hash]',
      loader: { '.woff2': 'file' },
      bundle: true,
      minify: true,
      format: 'esm',
      target: 'es2022',
      metafile: true,
      logLevel: 'warning',
    }),
    drawMap(),
    readFlights().then(readAirports),
  ])
  const outputs = Object.keys(metafile.outputs).map((path) => path.slice(path.lastIndexOf('/') + 1))
  const output = (pattern: RegExp) => outputs.find((name) => pattern.test(name)) ?? ''
  const values: Record<string, string> = {
    script: output(/\.js$/),
    style: output(/^style.*\.css$/),
    sans: output(/^inter.*\.woff2$/),
    mono: output(/^jetbrains.*\.woff2$/),
    width: String(MAP_WIDTH),
    height: String(MAP_HEIGHT),
    land: map.land,
    borders: map.borders,
    // The text of a script element must not contain `<`. JSON can escape it.
    airports: JSON.stringify(
      airports.map(placeAirport).map(({ code, city, state, x, y }) => [code, city, state, x, y]),
    ).replaceAll('<', '\\u003c'),
  }
  const template = await readFile(`${page}index.html`, 'utf8')
  const html = template.replace(/"@@(airports)@@"|@@(\w+)@@/g, (_, json?: string, text = '') => {
    const name = json ?? text
    const value = values[name]
    if (!value) throw new Error(`index.html contains @@${name}@@, but the build has no such value`)
    return value
  })
  await writeFile(`${dist}index.html`, html)
  await buildGuide(dist, output(/^guide.*\.css$/))
}

if (import.meta.main) await buildDemo()
