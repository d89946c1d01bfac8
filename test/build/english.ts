/**
 * Counts constructions that are not plain English, in comments, strings and documents.
 *
 *     node test/build/english.ts [path …]     default: the whole repository; prints the worst lines
 *         --all                               every line, in the order of the files
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import process from 'node:process'
import { countWords, type Finding, findConstructions } from './constructions.ts'
import { readProse } from './prose.ts'
import { root } from './source-files.ts'

/** Findings and size of a set of files. */
export interface EnglishReport {
  readonly words: number
  readonly findings: readonly (Finding & { path: string; source: string })[]
  /** Findings per 1,000 words. */
  readonly rate: number
}

/** Files that quote the constructions. */
const QUOTING = ['test/build/constructions.ts', 'test/build/english.test.ts']

const SKIPPED = /(^|\/)(node_modules|dist(-docs)?|\.(?!ci(\/|$))[\w-]+|screenshots)(\/|$)/

/** Checks files and folders. Paths are absolute, or relative to the root of the repository. */
export function checkEnglish(
  paths: readonly string[],
  isExcluded: (path: string) => boolean = () => false,
): EnglishReport {
  let words = 0
  const findings: (Finding & { path: string; source: string })[] = []
  const files = paths.flatMap(listFiles).filter((path) => !QUOTING.includes(path) && !isExcluded(path))
  for (const file of files) {
    const source = readFileSync(join(root, file), 'utf8')
    const lines = source.split('\n')
    for (const prose of readProse(file, source)) {
      words += countWords(prose)
      for (const finding of findConstructions(prose)) {
        findings.push({ ...finding, path: file, source: lines[finding.line - 1]?.trim() ?? '' })
      }
    }
  }
  return { words, findings, rate: words === 0 ? 0 : (findings.length / words) * 1_000 }
}

/** Returns the lines with the most findings first, or all lines in the order of the files, ready to print. */
export function worstLines({ findings }: EnglishReport, limit?: number): string[] {
  const byLine = [...Map.groupBy(findings, ({ path, line }) => `${path}:${line}`)]
  return (limit === undefined ? byLine : byLine.sort(([, a], [, b]) => b.length - a.length).slice(0, limit)).map(
    ([place, found]) => {
      const words = found.map(({ found, instead }) => `"${found.replace(/\s+/g, ' ')}" (${instead})`)
      return `${place}: ${words.join(', ')}\n    ${found[0]?.source.slice(0, 160)}`
    },
  )
}

function listFiles(path: string): string[] {
  const from = relative(root, join(path.startsWith('/') ? '/' : root, path)) || '.'
  if (SKIPPED.test(from.replace(/^(\.\.\/)+/, ''))) return []
  const full = join(root, from)
  if (!statSync(full).isDirectory()) return [from]
  return readdirSync(full)
    .sort()
    .flatMap((name) => listFiles(join(full, name)))
}

if (import.meta.main) {
  const args = process.argv.slice(2)
  const paths = args.filter((arg) => !arg.startsWith('--')).map((path) => join(process.cwd(), path))
  const report = checkEnglish(paths.length > 0 ? paths : [root])
  for (const line of worstLines(report, args.includes('--all') ? undefined : 30)) console.log(line)
  console.log(
    `\n${report.findings.length} constructions in ${report.words} words: ${report.rate.toFixed(2)} per 1,000.`,
  )
}
