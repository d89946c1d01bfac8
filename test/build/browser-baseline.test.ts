import { join } from 'node:path'
import bcd from '@mdn/browser-compat-data' with { type: 'json' }
import type { Identifier, SimpleSupportStatement } from '@mdn/browser-compat-data'
import { build } from 'esbuild'
import { beforeAll, expect, it } from 'vitest'
import { root } from './source-files.ts'

/** The oldest browsers that Spanwire supports. README, "Browsers". */
const BASELINE = { chrome: 109, firefox: 115, safari: 16.4 } as const

/** Entries for pages and their workers. */
const ENTRIES = [
  'sdk/index.ts',
  'sdk/react/index.ts',
  'sdk/store/index.ts',
  'sdk/transport/http/index.ts',
  'sdk/transport/shared/shared-worker.ts',
]

/** Newer than the baseline, and used with a replacement: sdk/kit/dispose.ts. */
const REPLACED = ['Symbol.dispose', 'Symbol.asyncDispose']

/** Methods of Spanwire's own objects with the name of a newer built-in method. */
const OWN = ['adopt', 'take']

interface Member {
  readonly owner: string
  /** A part of the language, not of the browser. */
  readonly isBuiltIn: boolean
  readonly name: string
  readonly isNew: boolean
}

const members: Member[] = [...membersOf(bcd.javascript.builtins, true), ...membersOf(bcd.api, false)]
let code: string

beforeAll(async () => {
  code = await bundle('esnext')
})

async function bundle(target: string | string[]): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: ENTRIES.map((path) => join(root, path)),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    external: ['react'],
    outdir: 'out',
    target,
    write: false,
  })
  return outputFiles.map(({ text }) => text.replace(/^\/\/.*$/gm, '')).join('\n')
}

function* membersOf(classes: Identifier | undefined, isBuiltIn: boolean): Generator<Member> {
  for (const [owner, members] of Object.entries(classes ?? {})) {
    if (owner === '__compat') continue
    for (const [name, feature] of Object.entries(members) as Array<[string, Identifier]>) {
      if (name === '__compat' || !feature.__compat) continue
      yield { owner, isBuiltIn, name: name.replace(/_static$/, ''), isNew: isNewer(feature.__compat.support) }
    }
  }
}

function isNewer(support: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(BASELINE).some(([browser, oldest]) => {
    const statements = [support[browser] ?? []].flat() as SimpleSupportStatement[]
    const versions = statements
      .filter(({ flags }) => !flags)
      .map(({ version_added: added }) => (typeof added === 'string' ? Number.parseFloat(added.replace('≤', '')) : 0))
    // 0: no version has it. Spanwire may use it on other runtimes.
    return Math.min(...versions) > oldest && versions.length > 0
  })
}

/** Members that a text uses and that are newer than the baseline. */
function newerIn(text: string): string[] {
  const old = new Set(members.filter(({ isNew }) => !isNew).map(({ name }) => name))
  const found = members.filter(({ owner, name, isNew, isBuiltIn }) => {
    if (!isNew || !/^\w+$/.test(name)) return false
    if (new RegExp(`\\b${owner}(\\?)?\\.${name}\\b`).test(text)) return true
    // On an instance, if no older class has a member of this name.
    return isBuiltIn && !old.has(name) && !OWN.includes(name) && new RegExp(`[\\w)\\]]\\??\\.${name}\\(`).test(text)
  })
  return [...new Set(found.map(({ owner, name }) => `${owner}.${name}`))]
}

it('browser files use no API that is newer than the oldest supported browsers', () => {
  expect(members.length).toBeGreaterThan(5_000)
  expect(newerIn(code).filter((name) => !REPLACED.includes(name))).toEqual([])
})

it('browser files use no syntax that is newer than the oldest supported browsers', async () => {
  const target = Object.entries(BASELINE).map(([browser, version]) => `${browser}${version}`)
  expect((await bundle(target)) === code).toBe(true)
})

it.each([
  ['const { promise } = Promise.withResolvers()', 'Promise.withResolvers'],
  ['AbortSignal.any([a, b])', 'AbortSignal.any'],
  ['URL.canParse(text)', 'URL.canParse'],
  ['Object.groupBy(list, key)', 'Object.groupBy'],
  ['bytes.toBase64()', 'Uint8Array.toBase64'],
  ['a.isSubsetOf(b)', 'Set.isSubsetOf'],
])('the check finds %s', (text, name) => {
  expect(newerIn(text)).toContain(name)
})
