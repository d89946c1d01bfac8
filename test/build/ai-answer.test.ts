import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { readExamples } from '../support/readme.ts'
import { root } from './source-files.ts'

/** Names of the package's entries in the guide, by the path in this repository. */
const ENTRIES = {
  '../../sdk/index.ts': 'spanwire',
  '../../sdk/consumer/index.ts': 'spanwire/consumer',
  '../../sdk/streams/index.ts': 'spanwire/streams',
  '../../bridge/hosts/node.ts': 'spanwire/bridge/node',
}

/** Names of the package in place of the paths of this repository. */
function asUser(code: string): string {
  return Object.entries(ENTRIES).reduce((text, [path, entry]) => text.replaceAll(`'${path}'`, `'${entry}'`), code)
}

it('the guide to an AI answer shows the files that its test in Chromium runs', async () => {
  const examples = await readExamples('demo/ai-answer/GUIDE.md')
  expect([...examples.keys()]).toEqual(['events.ts', 'service.ts', 'page.ts', 'server.ts'])
  for (const [name, code] of examples) {
    expect(code, name).toBe(asUser(await readFile(join(root, 'demo/ai-answer', name), 'utf8')))
  }
})
