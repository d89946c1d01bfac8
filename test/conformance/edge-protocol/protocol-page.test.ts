import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { closeReasons } from '../../../bridge/session/close-reason.ts'
import { audits } from './audits/index.ts'

const page = await readFile(new URL('../../../bridge/PROTOCOL.md', import.meta.url), 'utf8')
const rules = [...page.matchAll(/^\| ([A-Z]-\d+) +\| ([*_]\(bridge\)[*_] )?(.*?) *\|$/gm)].map(
  ([, id = '', mark, text = '']) => ({
    id,
    isBridgeOnly: mark !== undefined,
    text,
  }),
)

it('has an audit for every rule of PROTOCOL.md', () => {
  expect(audits.flatMap((audit) => audit.rules).sort()).toEqual(rules.map(({ id }) => id).sort())
})

it('marks the same rules as bridge-only in PROTOCOL.md and in the audits', () => {
  const audited = audits.filter(({ bridgeOnly }) => bridgeOnly).flatMap((audit) => audit.rules)
  const marked = rules.filter(({ isBridgeOnly }) => isBridgeOnly).map(({ id }) => id)
  expect(audited.sort()).toEqual(marked.sort())
})

it('states each rule as "The bridge MUST"', () => {
  for (const { id, text } of rules) expect(text, id).toMatch(/^The bridge MUST (NOT )?[a-z]/)
})

it('lists every close reason in PROTOCOL.md', () => {
  for (const { text } of Object.values(closeReasons)) expect(page).toContain(`\`${text}\``)
})
