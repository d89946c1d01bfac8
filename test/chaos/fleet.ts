import type { ServeOptions } from '../../bridge/hosts/bridge-server.ts'
import { type HostProcess, type Runtime, startHost } from '../support/process-host.ts'

/** Time until a load balancer removes a bridge that does not answer, in ms. */
const HEALTH_CHECK = 1_000

/** Several bridges behind a load balancer: it gives each new connection the address of a healthy bridge. */
export class Fleet {
  readonly #options: ServeOptions
  readonly #runtimes: readonly Runtime[]
  readonly #changed: (urls: readonly string[]) => void
  readonly #running: HostProcess[] = []
  #urls: string[] = []
  #started = 0

  /** @param changed called with the addresses that new connections may use */
  constructor(options: ServeOptions, runtimes: readonly Runtime[], changed: (urls: readonly string[]) => void) {
    this.#options = options
    this.#runtimes = runtimes
    this.#changed = changed
  }

  get urls(): readonly string[] {
    return this.#urls
  }

  get size(): number {
    return this.#running.length
  }

  async add(): Promise<void> {
    const runtime = this.#runtimes[this.#started++ % this.#runtimes.length] ?? 'node'
    const host = await startHost(runtime, this.#options)
    this.#running.push(host)
    this.#set([...this.#urls, host.url])
  }

  /** Takes a bridge out of the fleet. */
  take(random: () => number): HostProcess {
    const [host] = this.#running.splice(Math.floor(random() * this.#running.length), 1)
    if (!host) throw new Error('No bridge is running.')
    return host
  }

  /** Ends a bridge that was taken, like a crash. Its address is removed by the next health check. */
  async kill(host: HostProcess): Promise<void> {
    host.kill()
    await new Promise((resolve) => setTimeout(resolve, HEALTH_CHECK))
    this.#remove(host.url)
  }

  /** Drains a bridge that was taken. A draining bridge answers health checks with 503, and gets no new connections. */
  async drain(host: HostProcess): Promise<void> {
    this.#remove(host.url)
    const code = await host.drain()
    if (code !== 0) throw new Error(`A bridge ended its drain with ${code}:\n${host.output}`)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((host) => host.stop()))
  }

  #remove(url: string): void {
    this.#set(this.#urls.filter((other) => other !== url))
  }

  #set(urls: string[]): void {
    this.#urls = urls
    this.#changed(urls)
  }
}
