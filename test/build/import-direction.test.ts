import { expect, it } from 'vitest'
import { readSources, type SourceFile } from './source-files.ts'

/** What a folder, or a file of its own kind, may import beside itself and packages. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  sdk: [],
  bridge: ['sdk'],
  worker: ['bridge', 'sdk'],
  demo: ['sdk'],
  // The demo's Worker is the Worker with one more route.
  'demo/worker.ts': ['worker'],
}
const FOLDERS = ['sdk', 'bridge', 'worker', 'demo']

/** The only files that may load a client of NATS. */
const NATS_FILES = ['sdk/transport/nats/index.ts', 'bridge/upstream/nats-client.ts']

const sources = await readSources(...FOLDERS)

it('finds imports at all', () => {
  expect(sources.length).toBeGreaterThan(60)
  expect(sources.flatMap((file) => file.imports).length).toBeGreaterThan(150)
})

it('imports go one way: worker -> bridge -> sdk, demo -> sdk', () => {
  const wrong = violations(({ path }, from) => {
    const [folder, target] = [folderOf(path), folderOf(from)]
    return isOurs(from) && target !== folder && !(MAY_IMPORT[path] ?? MAY_IMPORT[folder])?.includes(target)
  })
  expect(wrong).toEqual([])
})

it('nothing imports a test', () => {
  expect(violations((_, from) => from.startsWith('test/'))).toEqual([])
})

it('the sdk imports nothing from Node, no package but those that are loaded on use, and React and OpenTelemetry only where it is for them', () => {
  const allowed = (path: string) =>
    path.startsWith('sdk/react/')
      ? ['react']
      : path.startsWith('sdk/opentelemetry/')
        ? ['@opentelemetry/api']
        : ['nats']
  expect(
    violations(({ path }, from) => folderOf(path) === 'sdk' && !isOurs(from) && !allowed(path).includes(from)),
  ).toEqual([])
})

it('nothing but spanwire/react and spanwire/store loads what is for frameworks', () => {
  const isForFrameworks = (path: string) => /^sdk\/(react|store)(\/|\.ts$)/.test(path)
  expect(violations(({ path }, from) => isForFrameworks(from) && !isForFrameworks(path))).toEqual([])
  // And no store knows React.
  expect(violations(({ path }, from) => /^sdk\/store/.test(path) && /^(sdk\/)?react/.test(from))).toEqual([])
})

it('nothing but spanwire/opentelemetry loads what is for OpenTelemetry', () => {
  const isForTraces = (path: string) => /^sdk\/opentelemetry(\/|\.ts$)/.test(path)
  expect(violations(({ path }, from) => isForTraces(from) && !isForTraces(path))).toEqual([])
})

it('only named files load a client of NATS', () => {
  const wrong = sources.flatMap(({ path, imports }) =>
    imports
      .filter(({ from, typeOnly }) => !typeOnly && /^(nats|nats\.ws|@nats-io\/(nats-core|transport-.*))$/.test(from))
      .filter(() => !NATS_FILES.includes(path))
      .map(({ from }) => `${path} -> ${from}`),
  )
  expect(wrong).toEqual([])
})

it('only the hosts of the bridge know a runtime', () => {
  const hosts = ['bridge/hosts/node.ts', 'bridge/hosts/bun.ts', 'bridge/hosts/deno.ts', 'bridge/hosts/node-frames.ts']
  const wrong = violations(
    ({ path }, from) =>
      folderOf(path) === 'bridge' && !hosts.includes(path) && /^(node:|bun|ws$|@hono\/node)/.test(from),
  )
  expect(wrong).toEqual([])
})

it('no module needs itself', () => {
  expect(findCycle(sources)).toBeUndefined()
})

function violations(isWrong: (file: SourceFile, from: string) => boolean): string[] {
  return sources.flatMap((file) =>
    file.imports.filter(({ from }) => isWrong(file, from)).map(({ from }) => `${file.path} -> ${from}`),
  )
}

function folderOf(path: string): string {
  return path.slice(0, path.indexOf('/'))
}

function isOurs(path: string): boolean {
  return [...FOLDERS, 'test'].includes(folderOf(path))
}

/** Types come and go without an order, so imports of types alone don't count. */
function findCycle(files: readonly SourceFile[]): string[] | undefined {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): string[] | undefined => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path]
    if (done.has(path)) return undefined
    for (const { from, typeOnly } of byPath.get(path)?.imports ?? []) {
      const cycle = typeOnly ? undefined : visit(from, [...trail, path])
      if (cycle) return cycle
    }
    done.add(path)
    return undefined
  }
  for (const { path } of files) {
    const cycle = visit(path, [])
    if (cycle) return cycle
  }
  return undefined
}
