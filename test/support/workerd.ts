import { fileURLToPath } from 'node:url'
import { createTestHarness } from 'wrangler'

/** Configuration of the Worker. */
export interface WorkerOptions {
  /** Default `embedded`. `ws://` upstreams are unreachable from this harness. */
  readonly upstream?: string
  /** Secret of its tokens. Undefined for a Worker without a secret. */
  readonly secret: string | undefined
  readonly vars?: Readonly<Record<string, string>>
  /** Path of the main module, relative to the root of the repository. Default: the published Worker. */
  readonly main?: string
}

/** A Worker in a real workerd. */
export interface RunningWorker {
  /** Such as `http://127.0.0.1:41234`. */
  readonly url: string
  /** Evicts a hub: clears its memory and keeps its sockets, as Cloudflare does. */
  evict(hub?: string): Promise<void>
  /** Entries of the hub's storage, as pairs of key and size of the value. */
  stored(hub?: string): Promise<number>
  /** Output of the Worker's console. */
  logs(): string[]
  stop(): Promise<void>
}

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Starts the Worker with Wrangler's own test harness. */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  // Otherwise Wrangler requests a sample of request.cf from Cloudflare and sends usage statistics.
  Object.assign(process.env, { CLOUDFLARE_CF_FETCH_ENABLED: 'false', WRANGLER_SEND_METRICS: 'false' })
  const harness = createTestHarness({
    root,
    workers: [
      {
        config: {
          name: 'spanwire-test',
          main: options.main ?? 'worker/index.ts',
          compatibility_date: '2026-11-01',
          compatibility_flags: ['no_web_socket_compression'],
          durable_objects: { bindings: [{ name: 'HUB', class_name: 'SpanwireHub' }] },
          migrations: [{ tag: 'v1', new_sqlite_classes: ['SpanwireHub'] }],
          vars: {
            UPSTREAM_URL: options.upstream ?? 'embedded',
            ...(options.secret !== undefined && { AUTH_SECRET: options.secret }),
            ...options.vars,
          },
        },
      },
    ],
  })
  const { url } = await harness.listen()
  const worker = harness.getWorker()
  return {
    url: url.origin,
    evict: (name = 'hub-1') => worker.evictDurableObject('SpanwireHub', { name, webSockets: 'hibernate' }),
    stored: async (name = 'hub-1') => {
      const storage = await worker.getDurableObjectStorage('SpanwireHub', { name })
      const rows = (await storage.exec(`SELECT count(*) AS n FROM _cf_KV`)) as Array<{ n: number }>
      return rows[0]?.n ?? 0
    },
    logs: () => harness.getLogs().map((log) => log.message),
    stop: () => harness.close(),
  }
}
