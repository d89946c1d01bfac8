import { describe, expect, it } from 'vitest'
import { findConstructions } from './constructions.ts'
import { checkEnglish, worstLines } from './english.ts'
import { readProse } from './prose.ts'

/** Constructions per 1,000 words. Three well-known projects together are at 0.7; see constructions.ts. */
const LIMIT = 1

/** Parts that are checked one by one. The last is everything else, such as README.md. */
const PARTS = ['sdk', 'bridge', 'worker', 'demo', 'test', '.']

it.each(PARTS)('%s is in plain English', (part) => {
  const elsewhere = part === '.' ? PARTS.map((other) => `${other}/`) : []
  const report = checkEnglish([part], (path) => elsewhere.some((start) => path.startsWith(start)))
  const worst = report.rate > LIMIT ? worstLines(report, 20).join('\n') : ''
  expect(report.rate, `${report.rate.toFixed(2)} constructions per 1,000 words\n${worst}`).toBeLessThanOrEqual(LIMIT)
})

describe('the check', () => {
  const find = (path: string, source: string) =>
    readProse(path, source).flatMap((prose) =>
      findConstructions(prose).map(({ line, found }) => `${line}: ${found.replace(/\s+/g, ' ')}`),
    )

  it.each([
    ['lets in clients with a token', 'admits clients with a token'],
    ['Whatever breaks, each event comes once.', 'Each event is delivered once, even across disconnects.'],
    ['Removed events are told by `onGap`.', 'If stream limits removed events, `onGap` reports them.'],
    ['It costs nobody else’s connection.', 'Other connections are not affected.'],
    ['Hears what can’t be had any more.', 'Called when events are no longer available.'],
    ['Somebody who waits for the server.', 'A pending operation, settled by the server.'],
    ['As of `on`.', 'Options of `on`.'],
    ['"x" is no channel: use a subject.', '"x" is not a valid channel: use a NATS subject.'],
    ['There are so many connections, with users, too.', 'The number of connections, including users.'],
    ['Read it again, then decide anew.', 'Re-read the subject and retry with its sequence.'],
    ['One; two; three.', 'One. Two. Three.'],
  ])('finds %j, and accepts %j', (before, after) => {
    const code = (text: string) => `/** ${text} */\nexport const x = 1`
    expect(find('a.ts', code(before))).not.toEqual([])
    expect(find('a.ts', code(after))).toEqual([])
    expect(find('a.md', before)).not.toEqual([])
    expect(find('a.md', after)).toEqual([])
  })

  it('reads comments, strings, templates and JSX, and names their lines', () => {
    const source = [
      "import { x } from './who is/told'",
      '// The client hears',
      '// of an event.',
      'throw new Error(`This is no channel`)',
      "it('tells nobody', () => x)",
      'const page = <p>Nobody is here</p>',
    ].join('\n')
    expect(find('a.tsx', source)).toEqual(['2: hears of', '4: is no', '5: tells', '5: nobody', '6: Nobody'])
  })

  it('does not read identifiers, code in comments, examples, protocol lines and import paths', () => {
    const source = [
      "import { whoever } from './who is/told'",
      '/**',
      ' * Calls `who is told`, see {@link whoever is told}.',
      ' * ```ts',
      ' * const nobody = whoever(anew)',
      ' * ```',
      ' */',
      "const who = 'PUB who is told\\r\\n'",
    ].join('\n')
    expect(find('a.ts', source)).toEqual([])
    expect(find('a.md', 'Text.\n\n    npm run who is told\n\n```ts\n// who is told\n```\n`who is told`\n')).toEqual([])
  })

  it('finds a comment that begins with a relative clause', () => {
    expect(find('a.ts', '/** Where events come from. */\nlet x = 1')).toEqual(['1: Where'])
    expect(find('a.ts', '/** Return where events come from. */\nlet x = 1')).toEqual([])
    expect(find('a.ts', '/** Whether it ended. */\nlet x = 1')).toEqual([])
  })
})
