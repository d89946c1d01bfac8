import type { PlaceLimits } from './places.ts'

/** The tasks of one user. */
interface UserTasks {
  running: number
  readonly waiting: Array<() => void>
}

/**
 * Runs tasks of many users, a few at a time. Users take turns: a user with thousands of tasks delays another one by at most
 * one task.
 */
export class FairQueue {
  readonly #limits: PlaceLimits
  /** In the order of their next turn. */
  readonly #users = new Map<string, UserTasks>()
  #running = 0

  constructor(limits: PlaceLimits) {
    this.#limits = limits
  }

  /** Tasks that run. */
  get running(): number {
    return this.#running
  }

  /**
   * Runs a task once it is its turn. Resolves and rejects as the task does.
   * @param signal rejects with its reason if the task has not begun when it is aborted
   */
  async run<T>(user: string, task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#turnOf(user, signal)
    try {
      return await task()
    } finally {
      this.#running--
      const tasks = this.#users.get(user)
      if (tasks) tasks.running--
      if (tasks && tasks.running === 0 && tasks.waiting.length === 0) this.#users.delete(user)
      this.#next()
    }
  }

  #turnOf(user: string, signal: AbortSignal | undefined): Promise<void> {
    const tasks = this.#users.get(user) ?? { running: 0, waiting: [] }
    this.#users.set(user, tasks)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const abort = () => {
      const index = tasks.waiting.indexOf(begin)
      if (index < 0) return
      tasks.waiting.splice(index, 1)
      reject(signal?.reason)
    }
    const begin = () => {
      signal?.removeEventListener('abort', abort)
      tasks.running++
      this.#running++
      resolve()
    }
    tasks.waiting.push(begin)
    signal?.addEventListener('abort', abort)
    this.#next()
    return promise
  }

  #next(): void {
    const { user: most, hub } = this.#limits
    for (const [user, tasks] of this.#users) {
      if (this.#running >= hub) return
      if (tasks.running >= most) continue
      const begin = tasks.waiting.shift()
      if (!begin) continue
      // Its next turn is after the others'.
      this.#users.delete(user)
      this.#users.set(user, tasks)
      begin()
    }
  }
}
