import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseSync } from 'oxc-parser'

/** A name in a declaration file, and the file that has it. */
export interface Name {
  /** Absolute path of the declaration file. */
  readonly file: string
  readonly name: string
}

/** One declaration, or all overloads of one function. */
export interface Declaration {
  /** Source text without comments. */
  readonly text: string
  /** Names of the package that it refers to. */
  readonly references: readonly Name[]
}

interface DeclarationFile {
  readonly declarations: Map<string, Declaration>
  /** Local name of each import. */
  readonly imports: Map<string, Name>
  readonly exports: Map<string, Name>
  /** Files of `export * from`. */
  readonly stars: readonly string[]
}

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  // biome-ignore lint/suspicious/noExplicitAny: members depend on the type of the node
  readonly [key: string]: any
}

const files = new Map<string, DeclarationFile>()

/** Returns the names that a declaration file exports, each with the place where it is declared. Sorted by name. */
export function listExports(file: string): Map<string, Name> {
  const { exports, stars } = readDeclarationFile(file)
  const all = new Map(stars.flatMap((star) => [...listExports(star)]))
  for (const [name, target] of exports) all.set(name, resolve(target))
  return new Map([...all].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Returns a declaration. A name that is not declared in the package has none. */
export function findDeclaration({ file, name }: Name): Declaration | undefined {
  return readDeclarationFile(file).declarations.get(name)
}

/** Follows imports and re-exports to the declaration. */
function resolve({ file, name }: Name): Name {
  const { declarations, exports, imports, stars } = readDeclarationFile(file)
  if (declarations.has(name)) return { file, name }
  const next = [exports.get(name), imports.get(name)].find((one) => one && (one.file !== file || one.name !== name))
  if (next) return resolve(next)
  for (const star of stars) {
    const found = listExports(star).get(name)
    if (found) return found
  }
  return { file, name }
}

function readDeclarationFile(file: string): DeclarationFile {
  const known = files.get(file)
  if (known) return known
  const source = readFileSync(file, 'utf8')
  const { program, comments } = parseSync(file, source)
  const body = program.body as unknown as Node[]
  const found: DeclarationFile = { declarations: new Map(), imports: new Map(), exports: new Map(), stars: [] }
  files.set(file, found)
  const pathOf = (from: string) => join(dirname(file), from.replace(/\.[jt]s$/, '.d.ts'))
  const stars: string[] = []

  for (const node of body) {
    const from: string = node.source?.value ?? ''
    if (node.type === 'ImportDeclaration' && from.startsWith('.')) {
      for (const { local, imported } of node.specifiers) {
        found.imports.set(local.name, { file: pathOf(from), name: imported?.name ?? '*' })
      }
    }
    if (node.type === 'ExportAllDeclaration' && from.startsWith('.')) stars.push(pathOf(from))
    if (node.type === 'ExportDefaultDeclaration' && node.declaration.type === 'Identifier') {
      found.exports.set('default', { file, name: node.declaration.name })
    }
    if (node.type === 'ExportNamedDeclaration') {
      for (const { local, exported } of node.specifiers) {
        found.exports.set(exported.name, { file: from ? pathOf(from) : file, name: local.name })
      }
    }
  }
  for (const node of body) {
    const declaration: Node | undefined = node.declaration ?? (/^(Import|Export)/.test(node.type) ? undefined : node)
    if (!declaration) continue
    for (const name of namesOf(declaration)) {
      if (node.type === 'ExportNamedDeclaration') found.exports.set(name, { file, name })
      const text = textOf(source, node, comments)
      const before = found.declarations.get(name)?.text
      found.declarations.set(name, { text: before ? `${before}\n${text}` : text, references: [] })
    }
  }
  // References need the names of the whole file.
  for (const node of body) {
    for (const name of namesOf(node.declaration ?? node)) {
      const declaration = found.declarations.get(name)
      if (!declaration) continue
      const references = [...identifiersOf(node)].flatMap((one) => {
        if (one === name) return []
        if (found.declarations.has(one)) return [{ file, name: one }]
        const imported = found.imports.get(one)
        return imported ? [resolve(imported)] : []
      })
      found.declarations.set(name, { ...declaration, references: [...declaration.references, ...references] })
    }
  }
  const complete = { ...found, stars }
  files.set(file, complete)
  return complete
}

function namesOf(node: Node): string[] {
  if (node.type === 'VariableDeclaration') return node.declarations.map(({ id }: Node) => id.name)
  return typeof node.id?.name === 'string' ? [node.id.name] : []
}

/** Returns the source of a declaration without comments, private members and `export`. */
function textOf(source: string, { start, end }: Node, comments: readonly { start: number; end: number }[]): string {
  let text = ''
  let at = start
  for (const comment of comments.filter((one) => one.start >= start && one.end <= end)) {
    text += source.slice(at, comment.start)
    at = comment.end
  }
  return (text + source.slice(at, end))
    .replace(/^export /, '')
    .replace(/^\s*#private;\n/gm, '')
    .replace(/\n\s*(?=\n)/g, '')
}

/** Yields names of types and values. Leaves out names of members. */
function* identifiersOf(node: unknown, parent?: Node): Generator<string> {
  if (Array.isArray(node)) for (const one of node) yield* identifiersOf(one, parent)
  if (typeof node !== 'object' || node === null || !('type' in node)) return
  const here = node as Node
  if (here.type === 'Identifier' && !(parent?.key === here && !parent.computed)) yield here.name
  for (const value of Object.values(here)) if (typeof value === 'object') yield* identifiersOf(value, here)
}
