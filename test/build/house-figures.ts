/**
 * Prints figures about the sources, by hand: `node test/build/house-figures.ts`. It is not a gate.
 *
 *     --list   also the files and functions behind the figures
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { parseSync } from 'oxc-parser'
import { findDeclaration, listExports, type Name } from './declarations.ts'
import { readSources, root, type SourceFile } from './source-files.ts'

const HOUSES = ['sdk', 'bridge', 'worker']
/** Parameters of a function from which on an options object is better. */
const MANY_PARAMETERS = 5
/** Lines of a file that may belong into its only importer. */
const CRUMB = 60
const SMALL = 30

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  // biome-ignore lint/suspicious/noExplicitAny: members depend on the type of the node
  readonly [key: string]: any
}

interface FunctionFigures {
  readonly place: string
  readonly lines: number
  readonly parameters: number
}

interface FileFigures {
  readonly path: string
  readonly lines: number
  /** Without comments and empty lines. */
  readonly linesOfCode: number
  readonly casts: number
  readonly functions: readonly FunctionFigures[]
}

/** Names that an entry of the package exports, and their doc comments. */
interface PublicFigures {
  readonly members: number
  readonly documented: number
  readonly undocumented: readonly string[]
  readonly functions: number
  readonly examples: number
  readonly withManyParameters: readonly string[]
}

const sources = await readSources(...HOUSES)
const files = sources.map(({ path }) => measureFile(path))
const importers = countImporters(sources)
mkdirSync(join(root, '.cache'), { recursive: true })
const folder = mkdtempSync(join(root, '.cache/figures-'))
try {
  emitDeclarations(folder)
  const columns = [...HOUSES, 'total'].map((house) => [house, summarize(house)] as const)
  const rows = Object.keys(columns[0]?.[1] ?? {})
  console.table(
    Object.fromEntries(
      rows.map((row) => [row, Object.fromEntries(columns.map(([house, figures]) => [house, figures[row]]))]),
    ),
  )
  if (process.argv.includes('--list')) for (const house of HOUSES) list(house)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function isIn(house: string, path: string): boolean {
  return house === 'total' || path.startsWith(`${house}/`)
}

function summarize(house: string): Record<string, number | string> {
  const own = files.filter(({ path }) => isIn(house, path))
  const lines = own.map((file) => file.lines).sort((a, b) => a - b)
  const total = (figure: (file: FileFigures) => number) => own.reduce((sum, file) => sum + figure(file), 0)
  const functions = own.flatMap((file) => file.functions)
  const longest = functions.reduce((a, b) => (b.lines > a.lines ? b : a))
  const api = measurePublic(house)
  return {
    files: own.length,
    'lines: mean': Math.round(total((file) => file.lines) / own.length),
    'lines: p90': lines[Math.floor(lines.length * 0.9)] ?? 0,
    'lines: max': lines.at(-1) ?? 0,
    'longest function': longest.lines,
    [`functions with >= ${MANY_PARAMETERS} parameters`]: functions.filter(isOverloaded).length,
    'of these public': api.withManyParameters.length,
    'casts per 1,000 lines of code': round((total(({ casts }) => casts) / total((file) => file.linesOfCode)) * 1_000),
    'documented public members, %': round((api.documented / Math.max(1, api.members)) * 100),
    'public functions with an example': `${api.examples} of ${api.functions}`,
    'mutual folder pairs': mutualPairs(house).length,
    [`files of <= ${SMALL} lines`]: own.filter((file) => file.lines <= SMALL).length,
    [`files of <= ${CRUMB} lines with one importer`]: crumbs(house).length,
  }
}

function list(house: string): void {
  const own = files.filter(({ path }) => isIn(house, path))
  const functions = own.flatMap((file) => file.functions)
  const api = measurePublic(house)
  const print = (title: string, lines: readonly string[]) => {
    if (lines.length > 0) console.log(`\n${house}: ${title}\n${lines.map((line) => `  ${line}`).join('\n')}`)
  }
  const longest = functions.toSorted((a, b) => b.lines - a.lines).slice(0, 10)
  print(
    'longest functions',
    longest.map(({ place, lines }) => `${lines}  ${place}`),
  )
  print(
    'many parameters',
    functions.filter(isOverloaded).map(({ place, parameters }) => `${parameters}  ${place}`),
  )
  const casting = own.filter(({ casts }) => casts > 0).sort((a, b) => b.casts - a.casts)
  print(
    'casts',
    casting.slice(0, 15).map(({ path, casts }) => `${casts}  ${path}`),
  )
  print('public members without a doc comment', api.undocumented)
  print('mutual folder pairs', mutualPairs(house))
  print('small files with one importer', crumbs(house))
}

function measureFile(path: string): FileFigures {
  const source = readFileSync(join(root, path), 'utf8')
  const lineOf = (index: number) => source.slice(0, index).split('\n').length
  const functions: FunctionFigures[] = []
  let casts = 0
  const { program, comments } = parseSync(path, source)
  for (const { node, name } of walk(program)) {
    if (node.type === 'TSAsExpression' && node.typeAnnotation.typeName?.name !== 'const') casts++
    if (!Array.isArray(node.params?.items ?? node.params) || !node.body) continue
    const parameters = (node.params.items ?? node.params).length
    const line = lineOf(node.start)
    functions.push({ place: `${path}:${line} ${name}`, lines: lineOf(node.end) - line + 1, parameters })
  }
  const code = comments.reduceRight((text, { start, end }) => text.slice(0, start) + text.slice(end), source)
  const linesOfCode = code.split('\n').filter((line) => line.trim() !== '').length
  return { path, lines: source.split('\n').length - 1, linesOfCode, casts, functions }
}

function isOverloaded({ parameters }: FunctionFigures): boolean {
  return parameters >= MANY_PARAMETERS
}

/** Yields all nodes, each with the name of the function or variable around it. */
function* walk(node: unknown, name = ''): Generator<{ node: Node; name: string }> {
  if (Array.isArray(node)) for (const one of node) yield* walk(one, name)
  if (typeof node !== 'object' || node === null || !('type' in node)) return
  const here = node as Node
  const own = here.id?.name ?? here.key?.name ?? name
  yield { node: here, name: own }
  for (const value of Object.values(here)) if (typeof value === 'object') yield* walk(value, own)
}

function countImporters(all: readonly SourceFile[]): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const { path, imports } of all) {
    for (const { from } of imports) found.set(from, (found.get(from) ?? new Set()).add(path))
  }
  return found
}

function crumbs(house: string): string[] {
  return files
    .filter(({ path, lines }) => isIn(house, path) && lines <= CRUMB && importers.get(path)?.size === 1)
    .map(({ path, lines }) => `${lines}  ${path} <- ${[...(importers.get(path) ?? [])].join()}`)
}

function mutualPairs(house: string): string[] {
  const edges = new Set(
    sources.flatMap(({ path, imports }) => imports.map(({ from }) => `${dirname(path)} ${dirname(from)}`)),
  )
  return [...edges]
    .map((edge) => edge.split(' ') as [string, string])
    .filter(([a, b]) => a < b && isIn(house, `${a}/`) && isIn(house, `${b}/`) && edges.has(`${b} ${a}`))
    .map(([a, b]) => `${a} <-> ${b}`)
}

function emitDeclarations(to: string): void {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const options = ['-p', join(root, 'tsconfig.build.json'), '--emitDeclarationOnly', '--outDir', to]
  execFileSync(process.execPath, [tsc, ...options], { stdio: 'pipe' })
}

/** Each declaration that an entry exports, once, in the house that declares it. */
function listPublic(house: string): Name[] {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, { types: string }>
  }
  const places = Object.values(exports).flatMap(({ types }) => [
    ...listExports(types.replace('./dist', folder)).values(),
  ])
  const unique = new Map(places.map((place) => [`${place.file} ${place.name}`, place]))
  return [...unique.values()].filter(({ file }) => isIn(house, file.slice(folder.length + 1)))
}

function measurePublic(house: string): PublicFigures {
  const found = { members: 0, documented: 0, functions: 0, examples: 0 }
  const undocumented: string[] = []
  const withManyParameters: string[] = []
  for (const { file, name } of listPublic(house)) {
    const source = readFileSync(file, 'utf8')
    const { program, comments } = parseSync(file, source)
    const commentBefore = ({ start }: Node) => {
      const last = comments.findLast((comment) => comment.end <= start)
      return last && /^\s*(export |declare |default )*$/.test(source.slice(last.end, start)) ? last.value : undefined
    }
    const nodes = (program.body as unknown as Node[]).map((node) => ({ node, declaration: node.declaration ?? node }))
    const own = nodes.filter(({ declaration }) => namesOf(declaration).includes(name))
    const text = findDeclaration({ file, name })?.text ?? ''
    if (/^(declare )?function |^(declare )?const \w+: .*=>/.test(text)) {
      found.functions++
      if (own.some(({ node }) => /@example|```|^\s*\* {5,}\S/m.test(commentBefore(node) ?? ''))) found.examples++
    }
    for (const { declaration } of own) {
      const documented = new Set<string>()
      const all = new Set<string>()
      for (const { node } of walk(declaration)) {
        if ((node.params?.items ?? node.params)?.length >= MANY_PARAMETERS && !/TypeParameter/.test(node.type)) {
          withManyParameters.push(`${name} ${node.key?.name ?? ''}`)
        }
      }
      const members: Node[] = declaration.body?.body ?? declaration.typeAnnotation?.members ?? []
      for (const node of members.filter(({ key }) => key && key.type !== 'PrivateIdentifier')) {
        const member = source.slice(node.key.start, node.key.end)
        if (member === 'constructor' || node.accessibility === 'private') continue
        all.add(member)
        if (commentBefore(node) !== undefined) documented.add(member)
      }
      found.members += all.size
      found.documented += documented.size
      for (const member of all) if (!documented.has(member)) undocumented.push(`${name}.${member}`)
    }
  }
  return { ...found, undocumented, withManyParameters }
}

function namesOf(node: Node): string[] {
  return (node.declarations ?? [node]).map(({ id }: Node) => id?.name)
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
