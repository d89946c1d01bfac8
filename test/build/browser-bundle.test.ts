import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build, type Plugin } from 'esbuild'
import { expect, it } from 'vitest'
import { root } from './source-files.ts'

/**
 * Size of the first part of Spanwire in a page, minified and gzipped, in bytes, without a schema library. Requests,
 * replays, acknowledged publishing, JetStream, token refresh and the other transports are loaded on first
 * use. The parts that decide whether an operation was refused are included. The goal of 9,000 is not reached yet. Until
 * then, the size must not grow.
 */
const BUDGET = 9_670

/** Texts that the bundle must not contain. */
const FORBIDDEN = [
  'node:',
  'nats.ws',
  'from"nats"',
  'import("nats',
  'require("',
  '@nats-io',
  'zod',
  'valibot',
  'hono',
  'jose',
]

/** Leaves out modules that are loaded on use, which bundlers put into separate files. */
const loadedLater: Plugin = {
  name: 'loaded later',
  setup: ({ onResolve }) =>
    void onResolve({ filter: /./ }, ({ kind, path }) =>
      kind === 'dynamic-import' ? { path, external: true } : undefined,
    ),
}

async function bundle(code: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: root, loader: 'ts' },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    plugins: [loadedLater],
  })
  return outputFiles[0]?.text ?? ''
}

const sdk = JSON.stringify(join(root, 'sdk/index.ts'))
const used = (names: string) => bundle(`import { ${names} } from ${sdk}; globalThis.spanwire = { ${names} }`)
const size = (text: string) => gzipSync(text, { level: 9 }).length

it(`connect and defineEvents fit in ${BUDGET} bytes`, async () => {
  const entries = ['connect, defineEvents', 'defineEvents', 'SpanwireError']
  const sizes = await Promise.all(
    entries.map(async (names) => {
      const text = await used(names)
      return { import: names, minified: text.length, gzip: size(text) }
    }),
  )
  console.table(sizes)
  // An empty bundle would also fit.
  expect(sizes[0]?.gzip).toBeGreaterThan(2_000)
  expect(sizes[0]?.gzip).toBeLessThanOrEqual(BUDGET)
})

it('defineEvents alone is less than half of the size', async () => {
  expect(size(await used('defineEvents'))).toBeLessThan(size(await used('connect, defineEvents')) / 2)
})

it('contains no runtime, no NATS client and no validator', async () => {
  const text = await used('connect, defineEvents')
  expect(FORBIDDEN.filter((word) => text.includes(word))).toEqual([])
})
