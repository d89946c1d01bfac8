import { parseSync } from 'oxc-parser'

/** English that people read: a comment, a string, or a block of a document. */
export interface Prose {
  readonly kind: 'comment' | 'string' | 'document'
  /** Line in the file, from 1. */
  readonly line: number
  /** Has the line breaks of the file. Code, links and markup are replaced by `X` or blanks. */
  readonly text: string
}

/** A node of the syntax tree. */
interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

const CODE = /\.(ts|tsx|mts|js|jsx|mjs)$/

/** Returns all prose of a file. Files of an unknown kind have none. */
export function readProse(path: string, source: string): Prose[] {
  if (path.endsWith('.d.ts')) return []
  if (CODE.test(path)) return readCode(path, source)
  if (path.endsWith('.md')) return [{ kind: 'document', line: 1, text: readMarkdown(source) }]
  if (path.endsWith('.html')) return [{ kind: 'document', line: 1, text: readHtml(source) }]
  if (path.endsWith('.css')) return matchComments(source, /\/\*([\s\S]*?)\*\//g)
  if (/(^|\/)(run|[\w-]+\.sh|Dockerfile)$/.test(path)) return matchComments(source, /(?<=^|\s)#(.*)$/gm)
  return []
}

function readCode(path: string, source: string): Prose[] {
  const { program, comments } = parseSync(path, source)
  const lineOf = lineFinder(source)
  const found: Prose[] = []
  let last: { end: number; parts: string[]; line: number } | undefined
  const flush = () => {
    if (last) found.push({ kind: 'comment', line: last.line, text: readComment(last.parts.join('\n')) })
    last = undefined
  }
  for (const { type, value, start, end } of comments) {
    // Line comments that follow each other are one text.
    const goesOn = type === 'Line' && last !== undefined && /^\n[ \t]*$/.test(source.slice(last.end, start))
    if (!goesOn) flush()
    if (last && goesOn) {
      last.parts.push(value)
      last.end = end
    } else last = { end, parts: [value], line: lineOf(start) }
    if (type === 'Block') flush()
  }
  flush()
  visit(program as unknown as Node, undefined, (text, start) => {
    if (isSentence(text)) found.push({ kind: 'string', line: lineOf(start), text: readInline(text) })
  })
  return found.sort((a, b) => a.line - b.line)
}

/** Calls `found` with each string, template and text of JSX. Leaves out import paths, types and names of properties. */
function visit(node: Node, parent: Node | undefined, found: (text: string, start: number) => void): void {
  if (node.type === 'TSLiteralType') return
  if (node.type === 'Literal' && typeof node.value === 'string' && !isName(node, parent)) found(node.value, node.start)
  if (node.type === 'JSXText') found(String(node.value), node.start)
  if (node.type === 'TemplateLiteral' && parent?.type !== 'TaggedTemplateExpression') {
    const parts = node.quasis as { value: { cooked: string } }[]
    found(parts.map(({ value }) => value.cooked).join('X'), node.start)
  }
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) visit(child, node, found)
  }
}

function isName(node: Node, parent: Node | undefined): boolean {
  if (!parent) return false
  return parent.source === node || (parent.key === node && parent.value !== node)
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string'
}

/** Two words with a blank between them, and no line of a protocol. */
function isSentence(text: string): boolean {
  return /[A-Za-z]{2,}[,:]?\s+[A-Za-z]{2,}/.test(text) && !text.includes('\r\n')
}

function readComment(text: string): string {
  const plain = text.replace(/^[ \t]*\*+[ \t]?/gm, '')
  // An example is code.
  return readInline(blank(blank(plain, /^\s*```[\s\S]*?```/gm), /@(example|module|packageDocumentation|internal)\b.*/g))
    .replace(/@(param|template|property)\s+(\{[^}]*\}\s+)?\S+\s*-?/g, ' ')
    .replace(/@\w+/g, ' ')
}

function readMarkdown(text: string): string {
  const plain = blank(blank(text, /^(`{3,}|~{3,})[\s\S]*?^\1/gm), /<!--[\s\S]*?-->/g)
  // A block that is indented by four, after an empty line, is code; below a list it is a paragraph of the list.
  return readInline(blank(plain, /(?<=\n\n)(?: {4}(?![-*\d]).*\n)+/g))
    .replaceAll('|', '.')
    .replace(/[#*_>]/g, ' ')
}

function readHtml(text: string): string {
  return readInline(blank(blank(text, /<(script|style|svg)[\s\S]*?<\/\1>/g), /<[^>]*>/g))
}

/** Inline code, link targets and addresses. */
function readInline(text: string): string {
  return text
    .replace(/`[^`\n]+`/g, 'X')
    .replace(/\{@\w+\s+[^}]*\}/g, 'X')
    .replace(/\]\([^)\s]*\)/g, '] ')
    .replace(/\w+:\/\/\S+/g, 'X')
    .replaceAll('’', "'")
}

function matchComments(source: string, pattern: RegExp): Prose[] {
  const lineOf = lineFinder(source)
  return [...source.matchAll(pattern)].map((match) => ({
    kind: 'comment',
    line: lineOf(match.index),
    text: readComment(match[1] ?? ''),
  }))
}

/** Replaces matches, and keeps their line breaks so that lines can still be counted. */
function blank(text: string, pattern: RegExp): string {
  return text.replace(pattern, (match) => match.replace(/[^\n]+/g, ' '))
}

function lineFinder(source: string): (index: number) => number {
  const starts = [0, ...[...source.matchAll(/\n/g)].map(({ index }) => index + 1)]
  return (index) => {
    const line = starts.findIndex((start) => start > index)
    return line === -1 ? starts.length : line
  }
}
