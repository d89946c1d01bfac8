import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'

/** Task of a process with clients. */
export interface CrowdOrder {
  /** Numbers of its clients. */
  readonly from: number
  readonly to: number
  /** Clients with lower numbers are members of presence channels. */
  readonly members: number
  readonly urls: readonly string[]
  /** One token for each user. */
  readonly tokens: readonly string[]
}

/** A request to a process with clients. */
export type CrowdRequest =
  | { readonly do: 'bridges'; readonly urls: readonly string[] }
  /** Starts a measurement. `victims` are the bridges that the fault affects. Default: all. */
  | { readonly do: 'begin'; readonly victims?: readonly string[] }
  | { readonly do: 'state' }
  | { readonly do: 'end' }
  | { readonly do: 'finish' }

/** Lost, repeated and unordered events. */
export interface Faults {
  lost: number
  doubled: number
  disordered: number
}

export interface CrowdState {
  readonly clients: number
  readonly open: number
  /** Lowest sequence that all clients have received. */
  readonly seq: number
  /** Members of presence channels, and the number of them that see all members of their channel, and no others. */
  readonly complete: number
  readonly exact: number
  readonly members: number
}

/** Measurement of one fault. */
export interface CrowdWindow {
  /** Longest time without a streamed event of each affected client, and of each other client, in ms. */
  readonly affected: readonly number[]
  readonly others: readonly number[]
  readonly live: Faults
  readonly streamed: Faults
}

export interface CrowdResult {
  readonly streamed: Faults
  readonly received: number
  /** Sequence and number of each streamed event. */
  readonly stored: ReadonlyArray<readonly [seq: number, n: number]>
  /** Events that differ between clients. */
  readonly conflicts: number
  readonly gaps: number
  /** Subscriptions that ended, and other errors, by their text. */
  readonly errors: Readonly<Record<string, number>>
}

interface Replies {
  readonly state: CrowdState
  readonly end: CrowdWindow
  readonly finish: CrowdResult
}

/** Clients in several processes. */
export class Crowd {
  readonly #children: readonly ChildProcess[]

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children
  }

  /** Starts all clients. Resolves when their subscriptions are live. */
  static async start(order: Omit<CrowdOrder, 'from' | 'to'>, clients: number, processes: number): Promise<Crowd> {
    const children = Array.from({ length: processes }, (_, i) => {
      const [from, to] = [i, i + 1].map((part) => Math.floor((clients * part) / processes)) as [number, number]
      // An order has too many tokens for the command line.
      const child = fork(join(import.meta.dirname, 'crowd-process.ts'), { stdio: 'inherit' })
      child.send({ ...order, from, to } satisfies CrowdOrder)
      return child
    })
    const crowd = new Crowd(children)
    try {
      await Promise.all(children.map((child) => reply(child)))
    } catch (error) {
      crowd.stop()
      throw error
    }
    return crowd
  }

  tell(request: CrowdRequest): void {
    for (const child of this.#children) if (child.connected) child.send(request)
  }

  async query<What extends keyof Replies>(what: What): Promise<Array<Replies[What]>> {
    return Promise.all(
      this.#children.map((child) => {
        const answer = reply(child)
        child.send({ do: what })
        return answer as Promise<Replies[What]>
      }),
    )
  }

  async state(): Promise<CrowdState> {
    const states = await this.query('state')
    const sum = (of: (state: CrowdState) => number) => states.reduce((total, state) => total + of(state), 0)
    return {
      clients: sum(({ clients }) => clients),
      open: sum(({ open }) => open),
      seq: Math.min(...states.map(({ seq }) => seq)),
      complete: sum(({ complete }) => complete),
      exact: sum(({ exact }) => exact),
      members: sum(({ members }) => members),
    }
  }

  stop(): void {
    for (const child of this.#children) child.kill('SIGKILL')
  }
}

/** The next message of a process. */
function reply(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`A process with clients ended with ${code}.`))
    child.once('exit', ended)
    child.once('message', (message) => {
      child.off('exit', ended)
      resolve(message)
    })
  })
}
