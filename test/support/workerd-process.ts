import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { freePort } from '../../demo/setup/free-port.ts'
import { root } from '../build/source-files.ts'
import { eventually } from './eventually.ts'

/** A Worker with one Durable Object class. */
export interface WorkerdOptions {
  /** Path of its main module, relative to the root of the repository. */
  readonly main: string
  readonly className: string
  readonly binding: string
  readonly vars: Readonly<Record<string, string>>
  /** Folder with packages that are not dependencies. */
  readonly packages?: string
  /** Additional certificates to trust, as PEM. */
  readonly trusted?: readonly string[]
}

export interface Workerd extends AsyncDisposable {
  readonly url: string
  readonly pid: number
}

/** Runs workerd directly. Wrangler's harness has a proxy in front of workerd, which adds costs to every message. */
export async function startWorkerd({
  main,
  className,
  binding,
  vars,
  packages,
  trusted,
}: WorkerdOptions): Promise<Workerd> {
  const folder = await mkdtemp(join(tmpdir(), 'spanwire-workerd-'))
  await mkdir(join(folder, 'objects'))
  await build({
    entryPoints: [join(root, main)],
    outfile: join(folder, 'worker.js'),
    bundle: true,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    mainFields: ['module', 'main'],
    external: ['node:*', 'cloudflare:*'],
    nodePaths: packages ? [packages] : [],
    plugins: [builtIns],
    logLevel: 'error',
  })
  const port = await freePort()
  const bindings = Object.entries(vars).map(([name, text]) => `(name = "${name}", text = ${JSON.stringify(text)})`)
  const object = `(name = "${binding}", durableObjectNamespace = "${className}")`
  await writeFile(
    join(folder, 'config.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "objects", disk = (path = "${join(folder, 'objects')}", writable = true)),
    (name = "internet", network = (allow = ["public", "private", "local"], tlsOptions = (trustBrowserCas = true, trustedCertificates = ${JSON.stringify(trusted ?? [])}))),
  ],
  sockets = [ (name = "http", address = "127.0.0.1:${port}", http = (), service = "main") ],
);
const worker :Workerd.Worker = (
  modules = [ (name = "worker", esModule = embed "worker.js") ],
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ["no_web_socket_compression"],
  bindings = [ ${[object, ...bindings].join(', ')} ],
  durableObjectNamespaces = [ (className = "${className}", uniqueKey = "bench", enableSql = true) ],
  durableObjectStorage = (localDisk = "objects"),
);
`,
  )
  const child = spawn(join(root, 'node_modules/.bin/workerd'), ['serve', join(folder, 'config.capnp')], {
    // workerd logs a native stack for every certificate that it rejects.
    stdio: ['ignore', 'inherit', trusted ? 'ignore' : 'inherit'],
  })
  const url = `http://127.0.0.1:${port}`
  await eventually(() => fetch(url).then((response) => response.text().then(() => true)), { what: 'workerd' })
  return {
    url,
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Maps `require('net')` of an older package to `node:net`, which workerd has. */
const builtIns = {
  name: 'built-ins',
  setup(build: import('esbuild').PluginBuild) {
    build.onResolve({ filter: /^(net|tls|util|crypto|path|fs|dns|stream|stream\/web|events|buffer)$/ }, ({ path }) => ({
      path,
      namespace: 'built-in',
    }))
    build.onLoad({ filter: /./, namespace: 'built-in' }, ({ path }) => ({
      contents: `export * from 'node:${path}'; import all from 'node:${path}'; export default all`,
    }))
  },
} satisfies import('esbuild').Plugin
