import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { readSources, root } from './source-files.ts'

/**
 * `\s`, `\S` and `trim` mean white space of Unicode, which may be part of a subject, a header or a token: protocol code
 * names the characters that it means. `trimBlanks` of sdk/wire/header-fields.ts takes away blanks and tabs.
 */
const UNICODE_WHITE_SPACE = /\\[sS](?![\w])|\.trim(?:Start|End|Left|Right)?\(|\\p\{(?:White_Space|Zs?|Z)\}/

/** In a regular expression without the flag `s`, `.` ends at a line separator of Unicode. */
const DOT = /\/(?:\\.|[^/\\\n])*(?<!\\)\((?:\?:)?\.[*+]\??\)(?:\\.|[^/\\\n])*\/(?![a-z]*s)/

// The command line reads settings and texts for people.
const sources = (await readSources('sdk', 'bridge')).filter(({ path }) => !path.startsWith('bridge/cli/'))
const linesOf = async (path: string) => (await readFile(join(root, path), 'utf8')).split('\n')
const find = async (pattern: RegExp) =>
  (
    await Promise.all(
      sources.map(async ({ path }) =>
        (
          await linesOf(path)
        ).flatMap((line, index) =>
          pattern.test(line) && !/^\s*(\/\/|\*|\/\*)/.test(line) ? [`${path}:${index + 1} ${line.trim()}`] : [],
        ),
      ),
    )
  ).flat()

it('no code of the protocol uses white space of Unicode', async () => {
  expect(sources.length).toBeGreaterThan(200)
  expect(await find(UNICODE_WHITE_SPACE)).toEqual([])
})

it('no text of the protocol ends at a line separator of Unicode', async () => {
  expect(await find(DOT)).toEqual([])
})

it.each([
  ['text.split(/\\s+/)', UNICODE_WHITE_SPACE],
  ['text.trimEnd()', UNICODE_WHITE_SPACE],
  ['/^(\\S+)$/', UNICODE_WHITE_SPACE],
  ['/^INFO (.*)/.exec(text)', DOT],
])('finds %j', (line, pattern) => {
  expect(line).toMatch(pattern)
})
