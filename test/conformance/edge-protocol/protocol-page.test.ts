import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { closeReasons } from '../../../bridge/session/close-reason.ts'
import { audits } from './audits/index.ts'

const page = await readFile(new URL('../../../bridge/PROTOCOL.md', import.meta.url), 'utf8')
const rules = [...page.matchAll(/^\| ([A-Z]-\d+) +\| ([*_]\(bridge\)[*_])?/gm)]

it('every MUST of PROTOCOL.md has its audit, and every audit its MUST', () => {
  expect(audits.map(({ id }) => id).sort()).toEqual(rules.map(([, id]) => id).sort())
})

it('both say the same of what only a bridge keeps', () => {
  const bridgeOnly = rules.filter(([, , mark]) => mark).map(([, id]) => id)
  expect(
    audits
      .filter((audit) => audit.bridgeOnly)
      .map(({ id }) => id)
      .sort(),
  ).toEqual(bridgeOnly.sort())
})

it('PROTOCOL.md names every text that closes a connection', () => {
  for (const { text } of Object.values(closeReasons)) expect(page).toContain(`\`${text}\``)
})
