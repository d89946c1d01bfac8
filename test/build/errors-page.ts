/**
 * `npm run errors`: writes sdk/ERRORS.md from the comments of `SpanwireErrorCode`, with the HTTP statuses of the
 * bridge. errors-page.test.ts compares them.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { problem } from '../../bridge/http/problem.ts'
import { SpanwireError, type SpanwireErrorCode } from '../../sdk/wire/errors.ts'
import { root } from './source-files.ts'

/** Path of the committed page. */
export const ERRORS_PAGE: string = join(root, 'sdk/ERRORS.md')

/** The status of errors without another. */
const USUAL_STATUS = 400
const SOURCE = 'sdk/wire/errors.ts'

interface Entry {
  readonly code: SpanwireErrorCode
  readonly cause: string
  readonly remedy: string
}

/** Reads the codes with their comments, in the order of the source. */
export function readErrorCodes(): Entry[] {
  const source = readFileSync(join(root, SOURCE), 'utf8')
  const union = source.split('export type SpanwireErrorCode =\n')[1]?.split('\n\n')[0] ?? ''
  const members = union.split(/^ {2}\| /m).slice(1)
  const comments = union.split(/^ {2}\| '[\w-]+'$/m)
  return members.map((member, index) => {
    const code = /^'([\w-]+)'/.exec(member)?.[1] as SpanwireErrorCode
    const text = (comments[index] ?? '').replace(/^\s*(\/\*\*|\*\/|\*)\s?/gm, '').trim()
    const [cause = '', remedy = ''] = text.replaceAll('\n', ' ').split(/\s*Remedy: /)
    return { code, cause, remedy }
  })
}

/** Status of the response of a bridge for an error with that code. */
async function statusOf(code: SpanwireErrorCode): Promise<number> {
  const { Hono } = await import('hono')
  const app = new Hono().get('/', (c) => problem(c, new SpanwireError(code, '')))
  return (await app.request('/')).status
}

/** Creates the page from the sources. */
export async function writeErrors(): Promise<string> {
  const entries = readErrorCodes().map(async ({ code, cause, remedy }) => {
    const status = await statusOf(code)
    const lines = [`## ${code}`, cause, `**What to do:** ${remedy}`]
    return (status === USUAL_STATUS ? lines : [...lines, `HTTP status: ${status}`]).join('\n\n')
  })
  return `${HEAD}\n${(await Promise.all(entries)).join('\n\n')}\n`
}

const HEAD = `# Errors

Every error of Spanwire is a \`SpanwireError\` with a stable \`code\`. \`message\` has the problem, the value and the remedy, and
\`cause\` the original error, if there is one. Test for it with \`isSpanwireError(error, 'timeout')\`: \`instanceof\` is false for
errors of a second copy of the package. HTTP routes of the bridge respond with \`application/problem+json\` (RFC 9457). The
problem has the same \`code\`, and the message as \`detail\`. The status is 400 unless this page names another.

This page is written by \`npm run errors\` from the comments in [wire/errors.ts](wire/errors.ts).
`

if (process.argv[1] === import.meta.filename) writeFileSync(ERRORS_PAGE, await writeErrors())
