import { expect, it } from 'vitest'
import { readSources, type SourceFile } from './source-files.ts'

/** Houses that a house, or a single file, may import in addition to itself and packages. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  sdk: [],
  bridge: ['sdk'],
  worker: ['bridge', 'sdk'],
  demo: ['sdk'],
  // The demo's Worker adds one route to the Worker.
  'demo/worker.ts': ['worker'],
  // The demo's relay, and the place that it reads.
  'demo/publishers/relay.ts': ['bridge'],
  'demo/publishers/relays.ts': ['bridge', 'sdk'],
  'demo/setup/foreign-flights.ts': ['bridge', 'sdk'],
  // An example with a bridge of its own.
  'demo/ai-answer/server.ts': ['bridge', 'sdk'],
}
const FOLDERS = ['sdk', 'bridge', 'worker', 'demo']

/** The only files that may load a client of NATS. */
const NATS_FILES = ['sdk/transport/nats/index.ts', 'bridge/upstream/nats-client.ts']

const sources = await readSources(...FOLDERS)

it('the check finds imports', () => {
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

it('no source imports a test', () => {
  expect(violations((_, from) => from.startsWith('test/'))).toEqual([])
})

it('the sdk imports only nats on use, React in sdk/react, and OpenTelemetry in sdk/opentelemetry', () => {
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

it('only spanwire/react and spanwire/store load code for frameworks', () => {
  const isForFrameworks = (path: string) => /^sdk\/(react|store)(\/|\.ts$)/.test(path)
  expect(violations(({ path }, from) => isForFrameworks(from) && !isForFrameworks(path))).toEqual([])
  // Stores do not depend on React.
  expect(violations(({ path }, from) => /^sdk\/store/.test(path) && /^(sdk\/)?react/.test(from))).toEqual([])
})

it('only spanwire/opentelemetry loads code for OpenTelemetry', () => {
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

it('only the hosts of the bridge import a runtime', () => {
  const hosts = [
    // The inspector is a file of the package, and is bundled by a script.
    ...['bridge/hosts/inspector-page.ts', 'bridge/inspector/build.ts'],
    ...[
      'bridge/hosts/node.ts',
      'bridge/hosts/bun.ts',
      'bridge/hosts/deno.ts',
      'bridge/hosts/node-socket.ts',
      'bridge/hosts/node-sockets.ts',
    ],
    // A relay is a process of Node.
    ...['bridge/relay/run.ts', 'bridge/relay/activemq/stomp-client.ts'],
  ]
  const wrong = violations(
    ({ path }, from) =>
      folderOf(path) === 'bridge' &&
      !hosts.includes(path) &&
      // The command line is a program of Node, Bun and Deno.
      !path.startsWith('bridge/cli/') &&
      /^(node:|bun|ws$|@hono\/node)/.test(from),
  )
  expect(wrong).toEqual([])
})

it('modules have no import cycle', () => {
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

/** Imports of types are erased, so they cannot form a cycle. */
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
